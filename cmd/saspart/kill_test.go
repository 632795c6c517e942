package main

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// killsVariable is how many times TestKills kills each command.
const killsVariable = "TEST_KILLS"

// killable is a command that is killed, and continued until it ends by itself.
type killable struct {
	name   string
	args   []string // without the folder of its results
	resume string   // the file in the folder that says that there is something to resume
	result func(t *testing.T, dir string) map[string]string
}

func (k *killable) start(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	args := append(append([]string{}, k.args...), "--out", dir)
	if _, err := os.Stat(filepath.Join(dir, k.resume)); err == nil {
		args = append(args, "--resume")
	}
	cmd := exec.Command(os.Args[0], args...)
	text := &strings.Builder{}
	cmd.Stderr = text
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// run runs the command to its end.
func (k *killable) run(t *testing.T, dir string) {
	t.Helper()
	cmd := k.start(t, dir)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%s: %v: %s", k.name, err, cmd.Stderr)
	}
}

// kills is how many times a command is killed.
func kills(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv(killsVariable))
	if os.Getenv(killsVariable) == "" {
		return 2
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// check kills a command at random moments. What it leaves must be a part of what an undisturbed
// run leaves, and all of it once the command is resumed.
func (k *killable) check(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "whole")
	began := time.Now()
	k.run(t, whole)
	took := time.Since(began)
	want := k.result(t, whole)
	if len(want) == 0 {
		t.Fatal("it has no result")
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for left := kills(t); left > 0; {
		dir := filepath.Join(t.TempDir(), "killed")
		for range min(left, 3) { // in a row
			cmd := k.start(t, dir)
			time.Sleep(time.Duration(rng.Int64N(int64(took))))
			_ = cmd.Process.Kill() // it may have ended
			_ = cmd.Wait()
			left--
		}
		k.run(t, dir)
		got := k.result(t, dir)
		for name, text := range want {
			if got[name] != text {
				t.Errorf("%s: killed and resumed, %s differs:\n%.2000s\nundisturbed:\n%.2000s", k.name, name, got[name], text)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: %d results, undisturbed %d", k.name, len(got), len(want))
		}
	}
}

var elapsed = regexp.MustCompile(`took|started|seconds|heap|route_ns|duration_real`)

// timeless drops what is measured with the clock of the machine from JSON.
func timeless(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, x := range v {
			if elapsed.MatchString(key) {
				delete(v, key)
			} else {
				v[key] = timeless(x)
			}
		}
	case []any:
		for i := range v {
			v[i] = timeless(v[i])
		}
	}
	return v
}

// records returns the measurements of a study.
func records(t *testing.T, dir string) map[string]string {
	out := map[string]string{}
	files, _ := filepath.Glob(filepath.Join(dir, "cells", "*", "*.json"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		if text, err = json.MarshalIndent(timeless(v), "", " "); err != nil {
			t.Fatal(err)
		}
		out[strings.TrimPrefix(file, dir)] = string(text)
	}
	return out
}

// traces returns the traces in a folder, byte for byte.
func traces(t *testing.T, dir string) map[string]string {
	out := map[string]string{}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(file)] = string(text)
	}
	return out
}

// Commands that are killed at random moments leave what an undisturbed run has by then, and end
// as it does when they are resumed.
func TestKills(t *testing.T) {
	if testing.Short() {
		t.Skip("runs commands to their end several times")
	}
	for _, k := range []killable{
		{"collect", []string{"collect", "--config", "wordcount-zipf", "--partitioner", "waterfill", "--windows", "70"}, "wordcount-zipf-waterfill-1.arrow", traces},
		{"throughput", lightJob("throughput", "--warmup", "4", "--windows", "4", "--tolerance", "0.05", "--partitioner", "hash,waterfill", "--repeat", "2"), "study.yaml", records},
		{"stress", []string{"stress", "--config", "zipf-sequence", "--partitioner", "hash,waterfill", "--duration", "40s", "--repeat", "2"}, "study.yaml", records},
		{"matrix", []string{"matrix", "--file", tinyMatrix(t, "[hash, waterfill]"), "--set", "seeds=[1,2]"}, "study.yaml", records},
	} {
		t.Run(k.name, k.check)
	}
}

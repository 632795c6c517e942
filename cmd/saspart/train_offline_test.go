package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saspart/saspart/configs"
	"github.com/saspart/saspart/train/offline"
)

// TestReadyTrainings: both ready configurations load, and hold what the package says
// that they hold.
func TestReadyTrainings(t *testing.T) {
	a := &app{}
	for name, want := range map[string]offline.Config{
		"": offline.Default(), "default": offline.Default(), "reference": offline.Reference(),
	} {
		got, err := a.loadTraining(trainOfflineOptions{config: name})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		one, errOne := json.Marshal(got)
		other, errOther := json.Marshal(want)
		if err := errors.Join(errOne, errOther); err != nil {
			t.Fatal(err)
		}
		if string(one) != string(other) {
			t.Errorf("%q holds\n%s\nwant\n%s", name, one, other)
		}
	}
	if got := strings.Join(configs.TrainNames(), " "); got != "default reference" {
		t.Errorf("ready trainings %s", got)
	}
}

// TestTrainOfflineRefuses: errors are reported before anything is read or written. Without
// libtorch the answer is always the same sentence.
func TestTrainOfflineRefuses(t *testing.T) {
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken")
	if err := os.MkdirAll(taken, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filepath.Join(taken, "run.yaml"), filepath.Join(dir, "a.arrow")} {
		if err := os.WriteFile(name, nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	out, empty := filepath.Join(dir, "out"), filepath.Join(dir, "a.arrow")
	for _, c := range []struct {
		why  string
		args []string
		code int
		want string
		any  bool // whether it is reported without libtorch too
	}{
		{"no data", []string{"--out", out}, codeUsage, "data scenarios", true},
		{"an algorithm that there is not", []string{"--data", empty, "--out", out, "--algo", "calq"}, codeUsage, "calql", true},
		{"no trace", []string{"--data", filepath.Join(dir, "*.arow"), "--out", out}, codeFailed, "no trace matches", false},
		{"an empty trace", []string{"--data", empty, "--out", out}, codeFailed, "a.arrow", false},
		{"a folder that holds a run", []string{"--data", empty, "--out", taken}, codeUsage, "--resume", false},
		{"a setting that there is not", []string{"--data", empty, "--out", out, "--set", "learner.gama=1"}, codeUsage, "gamma", false},
		{"an impossible value", []string{"--data", empty, "--out", out, "--steps", "0"}, codeUsage, "updates", false},
		{"no such training configuration", []string{"--data", empty, "--out", out, "--train-config", "referenz"}, codeUsage, "reference", false},
	} {
		code, stdout, narration := saspart(t, nil, append([]string{"train-offline"}, c.args...)...)
		want, wantCode := c.want, c.code
		if !offline.Available && !c.any {
			want, wantCode = "built without libtorch", codeFailed
		}
		if code != wantCode || stdout != "" || !strings.Contains(narration, want) {
			t.Errorf("%s: exit code %d, want %d with %q\n%s%s", c.why, code, wantCode, want, stdout, narration)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a refused training left its folder behind")
	}
}

// TestDoctor looks at machines that are made up.
func TestDoctor(t *testing.T) {
	root := t.TempDir()
	libtorch := filepath.Join(root, "saspart", "libtorch-"+libtorchVersion)
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	look := func(env ...string) finding { return doctor{ctx: t.Context(), env: env}.libtorch() }
	cache := "XDG_CACHE_HOME=" + root
	if f := look(cache); f.Found != "" || f.Fix == "" {
		t.Errorf("nothing is there: %+v", f)
	}
	write(filepath.Join(libtorch, "lib", "libtorch_cpu.so"), "")
	if f := look(cache); f.Found != "" || !strings.Contains(f.Fix, "headers") {
		t.Errorf("no headers: %+v", f)
	}
	header := filepath.Join(libtorch, "include/torch/csrc/api/include/torch/version.h")
	write(header, "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 1\n#define TORCH_VERSION_PATCH 2\n")
	if f := look(cache); !strings.Contains(f.Found, "2.1.2") || !strings.Contains(f.Found, libtorch) {
		t.Errorf("all is there: %+v", f)
	}
	write(header, "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 4\n#define TORCH_VERSION_PATCH 0\n")
	if f := look("LIBTORCH=" + libtorch); f.Found != "" || !strings.Contains(f.Fix, "2.4.0") {
		t.Errorf("another version: %+v", f)
	}
	if f := look("LIBTORCH="+root, cache); f.Found != "" || !strings.Contains(f.Fix, "LIBTORCH is "+root) {
		t.Errorf("LIBTORCH points elsewhere: %+v", f)
	}
}

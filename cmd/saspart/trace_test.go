package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/policy"
)

// light is a job of few records, so that a test can collect from it.
func light(more ...string) []string {
	return append([]string{"collect", "--config", "wordcount-zipf", "--set", "collect.behaviours=[]", "--set", "rate.rate=2000", "--set", "collect.episode_windows=2"}, more...)
}

// windows reads a trace.
func windows(t *testing.T, path string) (all []*policy.Window, meta dataset.Meta, complete bool) {
	t.Helper()
	r, err := dataset.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		w, err := r.Next()
		if err == io.EOF {
			return all, r.Meta(), r.Complete()
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, w)
	}
}

func TestCollect(t *testing.T) {
	out := t.TempDir()
	code, stdout, narration := saspart(t, nil, light("--windows", "5", "--partitioner", "dalton-offline", "--seed", "3", "--out", out)...)
	path := filepath.Join(out, "wordcount-zipf-dalton-offline-3.arrow")
	if code != codeOK || !strings.Contains(stdout, "5 windows, ") || !strings.Contains(stdout, path) || !strings.Contains(narration, "collect: 5/5 windows") {
		t.Fatalf("exit code %d\n%s\n%s", code, stdout, narration)
	}
	all, meta, complete := windows(t, path)
	if len(all) != 5 || !complete || all[4].Episode != 2 || all[4].Step != 0 || all[4].Partitioner != "dalton-offline" {
		t.Errorf("%d windows, complete %v, the last %+v", len(all), complete, all[len(all)-1])
	}
	if all[2].Records < 1000 || len(all[2].Busy) != 8 || len(all[2].Hot) == 0 || len(all[2].Realised) == 0 {
		t.Errorf("the third window has %d records, %d workers, %d hot keys, %d realised shares",
			all[2].Records, len(all[2].Busy), len(all[2].Hot), len(all[2].Realised))
	}
	if meta.Seed != 3 || meta.Engine != "sim" || meta.Workers != 8 || !strings.Contains(meta.Config, "rate: 2000") {
		t.Errorf("metadata %+v", meta)
	}

	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	again := light("--windows", "5", "--partitioner", "dalton-offline", "--seed", "3", "--out", out)
	if code, _, narration := saspart(t, nil, again...); code != codeFailed || !strings.Contains(narration, "never overwritten") {
		t.Errorf("over an existing trace: exit code %d: %s", code, narration)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("a refused collection changed the trace")
	}
}

// TestCollectIsDeterministic: on sim the same seed gives the same bytes.
func TestCollectIsDeterministic(t *testing.T) {
	collect := func(seed string) []byte {
		out := t.TempDir()
		args := light("--windows", "70", "--partitioner", "dalton-offline", "--seed", seed, "--set", "job.partitioners=3", "--out", out)
		if code, _, narration := saspart(t, nil, args...); code != codeOK {
			t.Fatal(narration)
		}
		b, err := os.ReadFile(filepath.Join(out, "wordcount-zipf-dalton-offline-"+seed+".arrow"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if !bytes.Equal(collect("1"), collect("1")) {
		t.Error("two collections with the same seed differ")
	}
	if bytes.Equal(collect("1"), collect("2")) {
		t.Error("two collections with different seeds are the same")
	}
}

func TestCollectBehaviours(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mixed.yaml")
	text := `name: mix
rate: {kind: fixed, rate: 2000}
collect:
  episode_windows: 2
  episodes: 4
  windows: 0
  behaviours:
    - {partitioner: {name: dalton-offline, dalton_offline: {epsilon: 0.5}}, weight: 3}
    - {partitioner: {name: pkg}}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, narration := saspart(t, nil, "collect", "--config", file, "--out", dir, "-o", "json")
	if code != codeOK {
		t.Fatal(narration)
	}
	var got collected
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	if got.Trace != filepath.Join(dir, "mix-mixed-1.arrow") || got.Summary.Windows != 8 || got.Summary.Episodes != 4 {
		t.Errorf("%+v", got)
	}
	count := map[string]int{}
	all, _, _ := windows(t, got.Trace)
	for _, w := range all {
		count[w.Partitioner]++
	}
	if count["dalton-offline"] != 6 || count["pkg"] != 2 {
		t.Errorf("weights 3 and 1 over 8 windows gave %v", count)
	}
	if code, stdout, narration := saspart(t, nil, "inspect", got.Trace); code != codeOK || !strings.Contains(stdout, "pkg             2") {
		t.Errorf("exit code %d\n%s%s", code, stdout, narration)
	}
	// A partitioner named on the command line is the only one.
	code, stdout, narration = saspart(t, nil, "collect", "--config", file, "--out", dir, "--partitioner", "hash", "--windows", "3")
	if code != codeOK || !strings.Contains(stdout, "mix-hash-1.arrow") {
		t.Errorf("exit code %d\n%s%s", code, stdout, narration)
	}
}

func TestCollectLimits(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--episodes", "3"}, "6 windows"},                        // of two each
		{[]string{"--duration", "2500ms"}, "3 windows"},                   // of a second each
		{[]string{"--episodes", "3", "--windows", "4"}, "4 windows"},      // both apply
		{[]string{"--episodes", "1", "--duration", "90s"}, "2 windows, "}, // likewise
	} {
		args := append(light("--out", t.TempDir()), c.args...)
		if code, stdout, narration := saspart(t, nil, args...); code != codeOK || !strings.HasPrefix(stdout, c.want) {
			t.Errorf("%v: exit code %d, %s%s", c.args, code, stdout, narration)
		}
	}
}

// A collection is resumed with the same job, and with any limits.
func TestCollectResume(t *testing.T) {
	out, whole := t.TempDir(), t.TempDir()
	name := "wordcount-zipf-hash-1.arrow"
	at := func(dir string, more ...string) []string {
		return light(append([]string{"--partitioner", "hash", "--out", dir}, more...)...)
	}
	for _, c := range []struct {
		why  string
		args []string
		code int
		says string
	}{
		{"no trace yet", at(out, "--resume"), codeUsage, "there is no trace"},
		{"the first part", at(out, "--windows", "3"), codeOK, ""},
		{"without --resume", at(out, "--windows", "9"), codeFailed, "continue it with --resume"},
		{"another seed has another trace", at(out, "--seed", "2", "--resume"), codeUsage, "there is no trace"},
		{"another job", at(out, "--set", "job.workers=9", "--resume"), codeUsage, "another configuration"},
		{"a job in real time", at(out, "--engine", "local", "--resume"), codeUsage, "never has the same windows"},
		{"more windows", at(out, "--windows", "9", "--resume"), codeOK, "has 3 windows"},
		{"undisturbed", at(whole, "--windows", "9"), codeOK, ""},
	} {
		code, _, narration := saspart(t, nil, c.args...)
		if code != c.code || !strings.Contains(narration, c.says) {
			t.Errorf("%s: exit code %d\n%s", c.why, code, narration)
		}
	}
	got, _, complete := windows(t, filepath.Join(out, name))
	want, _, _ := windows(t, filepath.Join(whole, name))
	if diff := cmp.Diff(want, got); diff != "" || !complete || len(got) != 9 {
		t.Errorf("%d windows, complete %v:\n%s", len(got), complete, diff)
	}
}

func TestCollectFailures(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why  string
		args []string
		code int
		want string
	}{
		{"an unknown partitioner", []string{"--partitioner", "daltn-offline"}, codeUsage, "dalton-offline"},
		{"an unknown engine", []string{"--engine", "smi"}, codeUsage, "sim"},
		{"a negative number", []string{"--windows", "-1"}, codeUsage, "--windows -1"},
		{"a folder that is a file", []string{"--out", file, "--windows", "1"}, codeFailed, file},
		{"no such input", []string{"--set", "source.kind=file", "--set", "source.file.path=/nowhere/x.csv", "--set", "source.file.key=k",
			"--set", "task.name=count", "--out", dir}, codeFailed, "/nowhere/x.csv"},
	} {
		code, stdout, narration := saspart(t, nil, light(c.args...)...)
		if code != c.code || !strings.Contains(narration, c.want) || stdout != "" {
			t.Errorf("%s: exit code %d, %s%s", c.why, code, stdout, narration)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*"+dataset.Ext+"*")); len(left) != 0 {
		t.Errorf("collections that could not start left %v", left)
	}
}

// interrupting is a writer that cancels once it has seen a text.
type interrupting struct {
	bytes.Buffer
	at     string
	cancel context.CancelFunc
}

func (w *interrupting) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if strings.Contains(w.String(), w.at) {
		w.cancel()
	}
	return n, err
}

func TestCollectInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout bytes.Buffer
	narration := &interrupting{at: "/1000 windows", cancel: cancel}
	now := time.Unix(0, 0)
	a := &app{in: strings.NewReader(""), out: &stdout, err: narration, now: func() time.Time {
		now = now.Add(time.Minute) // so that every window gets its line of progress
		return now
	}}
	out := t.TempDir()
	code := a.execute(ctx, light("--windows", "1000", "--out", out))
	if code != codeInterrupted || !strings.Contains(narration.String(), "interrupted after ") || !strings.Contains(stdout.String(), "imbalance mean") {
		t.Fatalf("exit code %d\n%s%s", code, stdout.String(), narration)
	}
	all, _, complete := windows(t, filepath.Join(out, "wordcount-zipf-wchoices-1.arrow"))
	if !complete || len(all) < 1 || len(all) == 1000 {
		t.Errorf("%d windows, complete %v", len(all), complete)
	}
}

// demoTrace writes a small trace whose every number is plain.
func demoTrace(t *testing.T, path string, closed bool) {
	t.Helper()
	w, err := dataset.Create(path, dataset.Meta{Workers: 2, Seed: 7, Engine: "sim", Partitioner: "hash"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		start := time.Duration(i) * time.Second
		win := &policy.Window{
			Episode: i / 50, Step: i % 50, Partitioner: "hash", Start: start, End: start + time.Second,
			Records: 1000, OfferedRate: 1000, ActualRate: 990, Backpressured: 0.01, FanOut: 1, LatencyP99: 2 * time.Millisecond,
			Counts: []int64{600, 400}, Busy: []float64{0.5 + float64(i)/250, 0.5 - float64(i)/250},
			Hot: []policy.HotKey{{Name: "the", Hash: 1, Count: 120}, {Name: "\xff\n", Hash: 2, Count: 70}, {Name: "", Hash: 3, Count: 50}},
		}
		if err := w.Write(win); err != nil {
			t.Fatal(err)
		}
	}
	if closed {
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Cleanup(func() { w.Close() })
}

func TestInspect(t *testing.T) {
	dir := t.TempDir()
	closed, killed := filepath.Join(dir, "closed.arrow"), filepath.Join(dir, "killed.arrow")
	demoTrace(t, closed, true)
	demoTrace(t, killed, false)
	show := func(args ...string) string {
		code, stdout, narration := saspart(t, nil, append([]string{"inspect"}, args...)...)
		if code != codeOK {
			t.Fatalf("%v: exit code %d: %s", args, code, narration)
		}
		return strings.ReplaceAll(stdout, dir, "DIR")
	}
	golden(t, "inspect.txt", show(closed))
	golden(t, "inspect_killed.txt", show(killed))
	var got dataset.Summary
	if err := json.Unmarshal([]byte(show("--repair", "-o", "json", killed)), &got); err != nil || !got.Complete || got.Windows != 100 {
		t.Errorf("repaired: %v, %+v", err, got)
	}
	want, err := os.ReadFile(closed)
	if err != nil {
		t.Fatal(err)
	}
	if repaired, _ := os.ReadFile(killed); !bytes.Equal(want, repaired) {
		t.Error("the repaired trace differs from the closed one")
	}
}

// Of several files each is shown, also after one that is none.
func TestInspectSeveral(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "a.arrow"), filepath.Join(dir, "b.arrow")
	demoTrace(t, first, true)
	demoTrace(t, second, true)
	code, out, narration := saspart(t, nil, "inspect", first, filepath.Join(dir, "none"), second, "builtin")
	if code != codeFailed || !strings.Contains(narration, "none: no such file") {
		t.Errorf("exit code %d\n%s", code, narration)
	}
	for _, want := range []string{first, second, "checkpoint"} {
		if !strings.Contains(out, want) {
			t.Errorf("nothing about %s in\n%s", want, out)
		}
	}
	_, out, _ = saspart(t, nil, "inspect", "-o", "json", first, second)
	n := 0
	for d := json.NewDecoder(strings.NewReader(out)); ; n++ {
		var s dataset.Summary
		if err := d.Decode(&s); err == io.EOF {
			break
		} else if err != nil || s.Windows != 100 {
			t.Fatalf("%v, %+v", err, s)
		}
	}
	if n != 2 {
		t.Errorf("%d objects for 2 traces", n)
	}
}

func TestInspectRefuses(t *testing.T) {
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole.arrow")
	demoTrace(t, whole, true)
	good, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	// A wrong byte in the second batch: what comes before it is shown.
	damaged := bytes.Clone(good)
	for i := len(good) * 3 / 4; i < len(good)*3/4+64; i++ {
		damaged[i] ^= 0x55
	}
	for _, c := range []struct {
		why    string
		bytes  []byte
		want   string
		stdout string
	}{
		{"an empty file", nil, "empty", ""},
		{"a text", []byte("key,value\n1,2\n"), "not an Arrow file", ""},
		{"a header alone", good[:300], "cut short within its header", ""},
		{"a damaged batch", damaged, "after 64 windows, in the batch at byte", "64 in 2 episodes"},
	} {
		path := filepath.Join(dir, "x.arrow")
		if err := os.WriteFile(path, c.bytes, 0o600); err != nil {
			t.Fatal(err)
		}
		code, stdout, narration := saspart(t, nil, "inspect", path)
		if code != codeFailed || !strings.Contains(narration, c.want) || !strings.Contains(narration, path) || !strings.Contains(stdout, c.stdout) {
			t.Errorf("%s: exit code %d, %s\n%s", c.why, code, narration, stdout)
		}
	}
	for _, args := range [][]string{{"inspect"}, {"inspect", whole, "-o", "xml"}} {
		if code, _, narration := saspart(t, nil, args...); code != codeUsage {
			t.Errorf("%v: exit code %d, %s", args, code, narration)
		}
	}
	if code, _, narration := saspart(t, nil, "inspect", filepath.Join(dir, "none.arrow")); code != codeFailed || !strings.Contains(narration, "none.arrow") {
		t.Errorf("a missing trace: exit code %d, %s", code, narration)
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000"} {
		if got := grouped(n); got != want {
			t.Errorf("%d shows as %s, want %s", n, got, want)
		}
	}
}

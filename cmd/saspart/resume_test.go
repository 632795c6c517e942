package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/saspart/saspart/eval/study"
	"github.com/saspart/saspart/runlog"
)

// A study is resumed by its folder alone, with what it was begun with; flags that contradict that
// are refused, and those that may change are told and kept for the next time.
func TestResumeByFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "study")
	begin := lightJob("throughput", "--warmup", "4", "--windows", "4", "--tolerance", "0.05", "--partitioner", "hash", "--out", dir)
	if code, _, narration := saspart(t, nil, begin...); code != codeOK {
		t.Fatalf("exit code %d\n%s", code, narration)
	}
	first, err := study.ReadInfo(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why  string
		args []string
		code int
		says []string // in the narration
		not  string
	}{
		{"alone", []string{"throughput"}, codeOK, []string{"1/1 measurements"}, "was"},
		{"with the same flags", begin[:len(begin)-2], codeOK, []string{"1/1 measurements"}, "was"},
		{"another experiment", []string{"throughput", "--config", "drift"}, codeUsage, []string{"--config is drift", "was begun with", dir}, ""},
		{"another number of windows", []string{"throughput", "--windows=5"}, codeUsage, []string{"--windows is 5", "was begun with 4"}, ""},
		{"a setting that was not there", []string{"throughput", "--set", "job.workers=3", "--set", "job.workers=4"}, codeUsage, []string{"--set job.workers is 3 and 4, but"}, ""},
		{"another command", []string{"stress"}, codeUsage, []string{"was begun by", "throughput", "not this command"}, ""},
		{"what is the default is the same", []string{"throughput", "--method", "bracket"}, codeOK, nil, ""},
		{"another partitioner", []string{"throughput", "--partitioner", "hash,waterfill"}, codeOK, []string{"--partitioner is hash,waterfill; it was hash before", "2/2 measurements"}, ""},
		{"alone again, with both", []string{"throughput"}, codeOK, []string{"2/2 measurements"}, "it was"},
	} {
		code, out, narration := saspart(t, nil, append(slices.Clone(c.args), "--out", dir, "--resume")...)
		if code != c.code || c.not != "" && strings.Contains(narration, c.not) {
			t.Errorf("%s: exit code %d\n%s%s", c.why, code, out, narration)
		}
		for _, want := range c.says {
			if !strings.Contains(narration, want) {
				t.Errorf("%s: no %q in\n%s", c.why, want, narration)
			}
		}
	}
	last, err := study.ReadInfo(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(last.Command, "--partitioner=hash,waterfill") || slices.ContainsFunc(last.Command, func(s string) bool { return strings.HasPrefix(s, "--resume") }) {
		t.Errorf("the command that does all of it: %q; at first %q", last.Command, first.Command)
	}
}

// The configuration of a training may have other budgets, and settings that an earlier version of
// the program did not know, but no other values.
func TestSameConfiguration(t *testing.T) {
	const begun = "seed: 1\ntraining: {updates: 10, learner: {gamma: 0.9, threads: 1}, replay: [1, 2]}\ntraces: [a, b]\n"
	for _, c := range []struct{ why, text, want string }{
		{"the same", begun, ""},
		{"in another order", "traces: [a, b]\ntraining: {replay: [1, 2], learner: {threads: 1, gamma: 0.9}, updates: 10}\nseed: 1\n", ""},
		{"other budgets", strings.NewReplacer("updates: 10", "updates: 20", "threads: 1", "threads: 2").Replace(begun), ""},
		{"a new setting", begun + "more: 3\n", ""},
		{"another value", strings.Replace(begun, "gamma: 0.9", "gamma: 0.8", 1), "training.learner.gamma is not"},
		{"another list", strings.Replace(begun, "[a, b]", "[a]", 1), "traces is not"},
		{"another kind of value", strings.Replace(begun, "{gamma: 0.9, threads: 1}", "3", 1), "training.learner is not"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, runlog.ConfigFile), []byte(begun), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := sameConfiguration(dir, []byte(c.text)); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.why, err, c.want)
		}
	}
}

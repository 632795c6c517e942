package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saspart/saspart/eval/laws"
	"github.com/saspart/saspart/policy/checkpoint"
)

// saspart laws measures the laws of a file, or ready ones.
func TestLaws(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(file, []byte("laws:\n  - name: quiet\n    noise: 0.01\n  - name: noisy\n    noise: 0.3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, narration := saspart(t, nil, "laws", "--scenarios", file, "--count", "3", "--workers", "2,3", "-o", "json")
	var rows []laws.Row
	if err := json.Unmarshal([]byte(out), &rows); code != codeOK || err != nil || len(rows) != 4 {
		t.Fatalf("code %d, %d rows, %v\n%s", code, len(rows), err, narration)
	}
	if rows[1].Law != "noisy" || rows[1].Workers != 2 || rows[1].Scenarios != 3 || !(rows[1].Policy > rows[0].Policy) {
		t.Errorf("rows %+v", rows)
	}
	_, out, _ = saspart(t, nil, "laws", "--scenarios", file, "--count", "2", "--workers", "2")
	if !strings.Contains(out, "2 workers, 2 scenarios") || !strings.Contains(out, "noisy") {
		t.Errorf("text:\n%s", out)
	}
	for _, c := range []struct {
		why  string
		args []string
		want string
	}{
		{"one worker", []string{"--workers", "1"}, "--workers has 1; numbers of workers must be from 2"},
		{"no scenario", []string{"--count", "0"}, "--count is 0"},
		{"a file that there is not", []string{"--scenarios", "law"}, `there are no ready scenarios of that name; did you mean "laws"`},
	} {
		if code, _, narration := saspart(t, nil, append([]string{"laws"}, c.args...)...); code != codeUsage || !strings.Contains(narration, c.want) {
			t.Errorf("%s: code %d, %s", c.why, code, narration)
		}
	}
}

// inspect of a checkpoint says how its policy was trained.
func TestInspectCheckpoint(t *testing.T) {
	code, out, narration := saspart(t, nil, "inspect", "builtin")
	for _, want := range []string{"each worker's capacity, for any number of workers", "through a model of the job", "imbalance_8"} {
		if code != codeOK || !strings.Contains(out, want) {
			t.Errorf("code %d, no %q in\n%s%s", code, want, out, narration)
		}
	}
	dir := filepath.Join(t.TempDir(), "a")
	c, err := checkpoint.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	c.Parent, c.Trained = "builtin", checkpoint.OnJob
	if err := checkpoint.Save(dir, c); err != nil {
		t.Fatal(err)
	}
	if _, out, _ = saspart(t, nil, "inspect", dir); !strings.Contains(out, "from rewards on a running job") || !strings.Contains(strings.Join(strings.Fields(out), " "), "started from builtin") {
		t.Errorf("text:\n%s", out)
	}
	if _, out, _ = saspart(t, nil, "inspect", dir, "-o", "json"); !strings.Contains(out, `"trained": "from rewards on a running job"`) {
		t.Errorf("JSON:\n%s", out)
	}
	if code, _, narration := saspart(t, nil, "inspect", dir, "--repair"); code != codeUsage || !strings.Contains(narration, "--repair is for traces") {
		t.Errorf("code %d, %s", code, narration)
	}
}

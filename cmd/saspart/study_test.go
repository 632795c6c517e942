package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/saspart/saspart/eval/study"
)

// lightJob is a job of few records and little state.
func lightJob(command string, more ...string) []string {
	return append([]string{
		command, "--config", "straggler", "--set", "task.name=count", "--set", "source.keys=200", "--set", "job.workers=4", "--set", "job.queue=64",
		"--set", "job.costs={record: 1ms}", "--set", "job.work_ratio=1",
	}, more...)
}

func TestThroughput(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "r")
	args := lightJob("throughput", "--warmup", "4", "--windows", "4", "--tolerance", "0.05", "--partitioner", "hash,waterfill", "--repeat", "2", "--out", dir)
	code, out, narration := saspart(t, nil, append(args, "-o", "json", "--require", "waterfill/hash>=1.2", "--require", "waterfill.p99<=1s")...)
	if code != codeOK || !strings.Contains(narration, "throughput: 4/4 measurements in ") || !strings.Contains(narration, "saspart report "+dir) {
		t.Fatalf("exit code %d, stderr %q", code, narration)
	}
	var got struct {
		Results []study.Result
		Records []study.Record
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || len(got.Results) != 1 || len(got.Records) != 4 || got.Records[3].Seed != 2 {
		t.Fatalf("%v: %s", err, out)
	}
	if b := got.Results[0].Entries[1].Values["bound_ratio"]; b.Mean < 0.8 || b.Mean > 1.03 || b.N != 2 {
		t.Errorf("waterfill holds %+v of the bound", b)
	}
	if code, _, narration = saspart(t, nil, args...); code != codeFailed || !strings.Contains(narration, "--resume") {
		t.Errorf("the same folder again: exit code %d, %q", code, narration)
	}
	code, out, narration = saspart(t, nil, append(args, "--resume", "-o", "csv", "--require", "hash/bound>=0.99")...)
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if code != codeThreshold || err != nil || len(rows) != 5 || !strings.Contains(narration, "not met: straggler: hash/bound>=0.99: it is 0.") {
		t.Errorf("a threshold: exit code %d, %v, %d rows, %q", code, err, len(rows), narration)
	}
	code, out, _ = saspart(t, nil, append(args, "--resume")...)
	if code != codeOK || !strings.Contains(out, "of bound") || strings.Count(out, "\n") != 4 {
		t.Errorf("the table:\n%s", out)
	}
}

func TestStressCommand(t *testing.T) {
	code, out, narration := saspart(t, nil, lightJob("stress", "--duration", "30s", "--warmup", "5", "--partitioner", "hash,waterfill",
		"--set", "source.kind=zipf-sequence", "--set", "source.sequence={exponents: [1, 1.5], interval: 10s, reshuffle: true}", "--rate", "2000")...)
	lines := strings.Split(out, "\n")
	if code != codeOK || len(lines) < 4 || !strings.Contains(lines[0], "recovery") || !strings.Contains(lines[3], "waterfill") {
		t.Errorf("exit code %d, %q, the table is\n%s", code, narration, out)
	}
	if code, _, narration = saspart(t, nil, lightJob("stress", "--duration", "20s", "--partitioner", "hash")...); code != codeOK || !strings.Contains(narration, "does not shift") {
		t.Errorf("a source that does not shift: exit code %d, %q", code, narration)
	}
}

// tinyMatrix writes a matrix file of two cells that are quick to measure.
func tinyMatrix(t *testing.T, partitioners string) (file string) {
	file = filepath.Join(t.TempDir(), "tiny.yaml")
	text := "name: tiny\npartitioners: " + partitioners + `
throughput: {warmup: 3, windows: 3, tolerance: 0.1, latency_at: []}
grids:
  - set: [task.name=count, source.keys=100, job.workers=2, 'job.costs={record: 1ms}']
    axes:
      - name: skew
        values: [{name: light, set: [source.exponent=0.5]}, {name: heavy, set: [source.exponent=2]}]
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestMatrixCommand(t *testing.T) {
	dir := t.TempDir()
	file := tinyMatrix(t, `[hash, waterfill, "saspartitioner:/nowhere"]`)
	out := filepath.Join(dir, "runs")
	code, table, narration := saspart(t, nil, "matrix", "--file", file, "--out", out)
	if code != codeFailed || !strings.Contains(narration, "2 of 6 measurements failed; --resume tries them again") || !strings.Contains(table, "saspartitioner:/nowhere failed") {
		t.Errorf("exit code %d, %q\n%s", code, narration, table)
	}
	if files, _ := filepath.Glob(filepath.Join(out, "cells", "*", "*.json")); len(files) != 6 {
		t.Errorf("kept: %q", files)
	}
	code, _, _ = saspart(t, nil, "matrix", "--file", file, "--out", out, "--resume", "--set", "partitioners=[hash, waterfill]", "--require", "waterfill/hash>=0.8")
	if code != codeOK {
		t.Errorf("without the one that failed: exit code %d", code)
	}
	a := &app{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &bytes.Buffer{}, now: time.Now}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if code = a.execute(ctx, []string{"matrix", "--file", file, "--out", filepath.Join(dir, "other")}); code != codeInterrupted {
		t.Errorf("an interrupt: exit code %d", code)
	}
}

func TestStudyRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why  string
		args []string
		code int
		want string
	}{
		{"an unknown partitioner", []string{"throughput", "--partitioner", "hash,watrfill"}, codeUsage, `"waterfill"`},
		{"no partitioner", []string{"throughput", "--partitioner", ""}, codeUsage, "names none"},
		{"a checkpoint for one that follows none", []string{"throughput", "--partitioner", "hash:x"}, codeUsage, "saspartitioner:CHECKPOINT"},
		{"a folder that can't be", []string{"throughput", "--out", filepath.Join(file, "x")}, codeFailed, "can't be kept"},
		{"nothing to resume", []string{"throughput", "--resume"}, codeUsage, "--out"},
		{"a condition about no contender", []string{"throughput", "--require", "cam>1"}, codeUsage, "no partitioner"},
		{"a condition that is none", []string{"stress", "--require", "fast"}, codeUsage, "is no condition"},
		{"an impossible tolerance", []string{"throughput", "--tolerance", "0"}, codeUsage, "tolerance"},
		{"no repetition", []string{"stress", "--repeat", "0"}, codeUsage, "--repeat"},
		{"no time", []string{"stress", "--duration", "0s"}, codeUsage, "duration"},
		{"two rates", []string{"stress", "--rate", "1", "--load", "1"}, codeUsage, "[load rate]"},
		{"no matrix", []string{"matrix", "--out", "x"}, codeUsage, "file"},
		{"an unknown matrix", []string{"matrix", "--file", "ppaer", "--out", "x"}, codeUsage, `"paper"`},
		{"an experiment that there is not", []string{"throughput", "--config", "strgler"}, codeUsage, "straggler"},
	} {
		code, _, narration := saspart(t, nil, c.args...)
		if code != c.code || !strings.Contains(narration, c.want) {
			t.Errorf("%s: exit code %d, %q", c.why, code, narration)
		}
	}
}

func TestReportCommand(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "r")
	if code, _, narration := saspart(t, nil, lightJob("throughput", "--warmup", "2", "--windows", "2", "--tolerance", "0.2", "--partitioner", "hash", "--out", dir)...); code != codeOK {
		t.Fatal(narration)
	}
	code, out, narration := saspart(t, nil, "report", dir)
	if code != codeOK || out != filepath.Join(dir, "report.html")+"\n"+filepath.Join(dir, "report.md")+"\n" {
		t.Errorf("exit code %d, %q, %q", code, out, narration)
	}
	for _, file := range strings.Fields(out) {
		if text, err := os.ReadFile(file); err != nil || !bytes.Contains(text, []byte("saspart throughput ")) {
			t.Errorf("%s: %v", file, err)
		}
	}
	for want, args := range map[string][]string{"neither": {"report", t.TempDir()}, "one folder": {"report"}, "no run": {"report", dir, "--training", dir}} {
		if code, _, narration := saspart(t, nil, args...); code == codeOK || !strings.Contains(narration, want) {
			t.Errorf("%q: exit code %d, %q", args, code, narration)
		}
	}
}

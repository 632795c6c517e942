package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Whatever is wrong with what a user gives is a clear error with the place and the
// value, under each command that reads it, and leaves nothing behind. What each kind
// of file can suffer from is tested where it is read.
func TestBadInput(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	csv := []byte("key,value\n" + strings.Repeat("a,1\nb,2\n", 1000))
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write(csv); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	trace := filepath.Join(dir, "trace.arrow")
	demoTrace(t, trace, true)
	arrow, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	// input is an experiment on a file of its own.
	input := func(path string, more ...string) []string {
		return append([]string{"--set", "task.name=tdigest", "--set", "source.kind=file", "--set", "source.file={path: " + path + ", key: key, payload: [value]}"}, more...)
	}
	good := write("good.csv", csv)
	mixed := write("mixed.csv", []byte("key,value\n1,1\nN17,2\n"))
	config := func(name, text string) []string { return []string{"--config", write(name, []byte(text))} }

	for _, c := range []struct {
		why  string
		args []string
		code int
		want []string
	}{
		{"a missing file", input(filepath.Join(dir, "none.csv")), codeFailed, []string{"none.csv", "no such file"}},
		{"an empty file", input(write("empty.csv", nil)), codeFailed, []string{"empty.csv", "is empty"}},
		{"a folder", input(dir), codeFailed, []string{dir, "is not a regular file"}},
		{"a wrong key column", input(good, "--set", "source.file.key=kye"), codeFailed, []string{`no column "kye"; did you mean "key"?`}},
		{"a wrong payload column", input(good, "--set", "source.file.payload=[valeu]"), codeFailed, []string{`no column "valeu"; did you mean "value"?`}},
		{"a truncated gzip file", input(write("cut.csv.gz", zipped.Bytes()[:zipped.Len()-12])), codeFailed, []string{"cut.csv.gz", "compressed data end early"}},
		{"a truncated Arrow file", input(write("cut.arrow", arrow[:len(arrow)*9/10])), codeFailed, []string{"cut.arrow", "truncated"}},
		{"NaN values", input(write("nan.csv", []byte("key,value\na,1\nb,NaN\n"))), codeFailed, []string{`nan.csv: line 3, column "value": NaN is not a finite number`}},
		{"a key column of mixed types", input(mixed, "--set", "source.file.key_type=integer"), codeFailed, []string{`mixed.csv: line 3, column "key": "N17" is not a whole number`}},

		{"no workers", []string{"--set", "job.workers=0"}, codeUsage, []string{"--set job.workers=0: job.workers: is 0; it must be a whole number from 1 to"}},
		{"no workers in a file", config("p.yaml", "name: x\njob:\n  workers: 0\n"), codeUsage, []string{"p.yaml:3: job.workers: is 0"}},
		{"no workers, and a straggler among them", []string{"--config", "straggler", "--set", "job.workers=0"}, codeUsage, []string{"job.workers: is 0"}},
		{"a negative rate", config("r.yaml", "rate:\n  rate: -5\n"), codeUsage, []string{"r.yaml:2: rate.rate: is -5"}},
		{"a NaN exponent", config("e.yaml", "source: {exponent: .nan}\n"), codeUsage, []string{"e.yaml:1: source.exponent: is NaN"}},
		{"a mask without workers", config("m.yaml", "mask:\n  spread: -1\n"), codeUsage, []string{"m.yaml:2: mask.spread: is -1"}},
		{"an unknown partitioner", []string{"--partitioner", "wchoice"}, codeUsage, []string{"--partitioner wchoice", `did you mean "wchoices"?`}},
		{"a partitioner without a name", []string{"--partitioner", ""}, codeUsage, []string{"partitioner.name: is \"\", which is no partitioner"}},
		{"an unknown partitioner in a file", config("n.yaml", "partitioner:\n  name: dalton\n"), codeUsage, []string{"n.yaml:2: partitioner.name", "did you mean"}},
		{"an unknown setting", config("s.yaml", "job:\n  wrokers: 8\n"), codeUsage, []string{`s.yaml:2: job.wrokers: is not a setting; did you mean "workers"?`}},
		{"an unknown experiment", []string{"--config", "worcount-zipf"}, codeUsage, []string{`did you mean "wordcount-zipf"?`}},
		{"an unknown engine", []string{"--engine", "lcoal"}, codeUsage, []string{`did you mean "local"?`}},
		{"no YAML", config("y.yaml", "job: [\n"), codeUsage, []string{"y.yaml"}},
		{"a configuration that is binary", config("b.yaml", "\x00\x01\xff"), codeUsage, []string{"b.yaml"}},
		{"a duration without a unit", []string{"--duration", "30"}, codeUsage, []string{"--duration 30", "must be a duration with a unit, such as"}},
	} {
		t.Run(c.why, func(t *testing.T) {
			for _, command := range []string{"run", "collect"} {
				left := filepath.Join(t.TempDir(), "left")
				target := map[string]string{"run": "--results", "collect": "--out"}[command]
				if command == "run" {
					left += ".csv"
				}
				args := append([]string{command, target, left}, c.args...)
				code, out, narration := saspart(t, []string{}, args...)
				if code != c.code || out != "" {
					t.Errorf("%s: exit code %d, stdout %q, stderr\n%s", command, code, out, narration)
				}
				for _, want := range c.want {
					if !strings.Contains(narration, want) {
						t.Errorf("%s: no %q in\n%s", command, want, narration)
					}
				}
				if strings.Count(narration, "\n") > 2 || strings.Contains(narration, "goroutine") || strings.Contains(narration, "to -1") {
					t.Errorf("%s says too much:\n%s", command, narration)
				}
				if found, _ := filepath.Glob(left + "*"); len(found) > 0 {
					t.Errorf("%s left %v", command, found)
				}
			}
		})
	}
}

// Where nothing can be written is found out before the job runs.
func TestUnwritable(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o500); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		why  string
		args []string
		want string
	}{
		{"a trace below a file", light("--windows", "1", "--out", filepath.Join(file, "x")), "not a directory"},
		{"results below a file", lightRun("--windows", "1", "--results", filepath.Join(file, "x.csv")), "not a directory"},
		{"results in a folder that is not there", lightRun("--windows", "1", "--results", filepath.Join(dir, "no", "x.csv")), "no such file or directory"},
		{"results instead of a folder", lightRun("--windows", "1", "--results", closed), "is not a file"},
		{"results of several runs in one", lightRun("--partitioner", "hash,pkg", "--results", filepath.Join(dir, "x.csv")), "--results takes the output of one run"},
	}
	if os.Geteuid() != 0 { // root may write anywhere
		cases = append(cases, []struct {
			why  string
			args []string
			want string
		}{
			{"a trace in a folder that is closed to us", light("--windows", "1", "--out", closed), "permission denied"},
			{"results in a folder that is closed to us", lightRun("--windows", "1", "--results", filepath.Join(closed, "x.csv")), "permission denied"},
		}...)
	}
	for _, c := range cases {
		code, out, narration := saspart(t, nil, c.args...)
		if code != codeFailed && code != codeUsage || out != "" || !strings.Contains(narration, c.want) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q; want %q", c.why, code, out, narration, c.want)
		}
	}
}

// A full disk ends the command, and is reported once.
func TestFullDisk(t *testing.T) {
	for _, output := range []string{"text", "table", "json"} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Skip(err)
		}
		defer full.Close()
		var narration bytes.Buffer
		a := &app{out: full, err: &narration, now: time.Now}
		code := a.execute(t.Context(), lightRun("--windows", "3", "-o", output))
		if code != codeFailed || strings.Count(narration.String(), "no space left on device") != 1 {
			t.Errorf("%s: exit code %d, stderr\n%s", output, code, &narration)
		}
	}
}

// A pipe that nobody writes to is refused wherever a file is read, and keeps no command waiting.
func TestPipesAreRefused(t *testing.T) {
	dir := t.TempDir()
	pipe := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Skip(err)
		}
		return path
	}
	any := pipe("any")
	manifest := filepath.Dir(pipe("manifest/manifest.json"))
	study := filepath.Dir(pipe("study/study.yaml"))
	run := filepath.Dir(pipe("run/run.yaml"))
	for _, args := range [][]string{
		{"run", "--config", any},
		{"config", "validate", any},
		{"run", "--set", "source.kind=file", "--set", "task.name=tdigest", "--set", "source.file={path: " + any + ", key: key, payload: [v]}"},
		{"run", "--partitioner", "saspartitioner", "--checkpoint", manifest},
		{"run", "--partitioner", "saspartitioner", "--server", "127.0.0.1:1", "--server-token", any},
		{"inspect", any},
		{"inspect", manifest},
		{"laws", "--scenarios", any},
		{"matrix", "--file", any, "--out", filepath.Join(dir, "out")},
		{"matrix", "--file", "smoke", "--out", study, "--resume"},
		{"report", study},
		{"report", run},
		{"serve", "--checkpoint", manifest},
		{"serve", "--token-file", any},
		{"serve", "--tls-cert", any, "--tls-key", any},
	} {
		code, _, text := saspart(t, []string{}, args...)
		if code == 0 || !strings.Contains(text, "regular file") {
			t.Errorf("%v: code %d: %s", args, code, text)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// lightRun is a job of few records, so that a test can run it.
func lightRun(more ...string) []string {
	return append([]string{"run", "--config", "wordcount-zipf", "--set", "rate.rate=2000"}, more...)
}

func TestRunText(t *testing.T) {
	code, out, narration := saspart(t, nil, lightRun("--windows", "4", "--warmup", "2", "--partitioner", "hash,waterfill", "--set", "job.work_ratio=9000")...)
	if code != codeOK || strings.Count(narration, "\n") != 1 || !strings.HasPrefix(narration, "hint: the source was blocked 86 %") {
		t.Fatalf("exit code %d, stderr %q", code, narration)
	}
	golden(t, "run.txt", out)
}

func TestRunTable(t *testing.T) {
	code, out, narration := saspart(t, nil, lightRun("--windows", "3", "--partitioner", "hash", "--partitioner", "pkg", "-o", "table")...)
	lines := strings.Split(out, "\n")
	if code != codeOK || len(lines) != 4 || !strings.Contains(lines[1], " hash  ") || !strings.Contains(lines[2], " pkg  ") {
		t.Errorf("exit code %d, the table is\n%s", code, out)
	}
	if !strings.Contains(narration, "hash: 3/3 windows in ") || !strings.Contains(narration, "pkg: 3/3 windows in ") {
		t.Errorf("no progress in %q", narration)
	}
}

func TestRunJSON(t *testing.T) {
	code, out, narration := saspart(t, nil, lightRun("--duration", "2500ms", "-o", "json")...)
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if code != codeOK || narration != "" || len(lines) != 4 {
		t.Fatalf("exit code %d, stderr %q, %d lines; want 3 windows and a summary", code, narration, len(lines))
	}
	var v view
	if err := json.Unmarshal([]byte(lines[2]), &v); err != nil {
		t.Fatal(err)
	}
	if v.Window != 2 || v.End != 3*time.Second || v.Partitioner != "wchoices" || v.OfferedRate != 2000 || len(v.Busy.Workers) != 8 || len(v.Hot) != shownKeys {
		t.Errorf("the third window is %+v", v)
	}
	if hot := v.Hot[0].Share; hot < 0.35 || hot > 0.43 {
		t.Errorf("the heaviest key has %v of the records; it is 0.39 of a zipf 1.5", hot)
	}
	var last struct{ Summary dataset.Summary }
	if err := json.Unmarshal([]byte(lines[3]), &last); err != nil || last.Summary.Windows != 3 || !last.Summary.Complete {
		t.Errorf("%v, the summary is %+v", err, last.Summary)
	}
}

// A run under a partitioner sees what a collection under it records.
func TestRunIsACollection(t *testing.T) {
	dir := t.TempDir()
	if code, _, narration := saspart(t, nil, light("--windows", "6", "--set", "collect.episode_windows=6", "--partitioner", "waterfill", "--out", dir)...); code != codeOK {
		t.Fatal(narration)
	}
	_, out, _ := saspart(t, nil, lightRun("--windows", "6", "--partitioner", "waterfill", "-o", "json")...)
	recorded, _, _ := windows(t, filepath.Join(dir, "wordcount-zipf-waterfill-1.arrow"))
	shown := json.NewDecoder(strings.NewReader(out))
	for i, w := range recorded {
		var v view
		if err := shown.Decode(&v); err != nil {
			t.Fatal(err)
		}
		want := newView(w)
		if diff := cmp.Diff(want, v); diff != "" {
			t.Errorf("window %d (-recorded +shown):\n%s", i, diff)
		}
		if i > 1 && v.Route == 0 {
			t.Errorf("window %d follows no route of waterfill's", i)
		}
	}
}

// A worker that did not report is left out of the figures, and null to programs.
func TestViewOfMissingWorkers(t *testing.T) {
	nan := func() float64 { var zero float64; return zero / zero }
	for _, c := range []struct {
		why  string
		busy []float64
		want string
	}{
		{"one of three", []float64{0.5, nan(), 0.25}, `{"min":0.25,"mean":0.375,"max":0.5,"workers":[0.5,null,0.25]}`},
		{"all", []float64{nan()}, `{"min":0,"mean":0,"max":0,"workers":[null]}`},
		{"the first", []float64{nan(), 0.5}, `{"min":0.5,"mean":0.5,"max":0.5,"workers":[null,0.5]}`},
	} {
		got, err := json.Marshal(newView(&policy.Window{Busy: c.busy}).Busy)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v; want %s", c.why, got, err, c.want)
		}
	}
}

func TestLinesFitTheTerminal(t *testing.T) {
	var out bytes.Buffer
	a := &app{out: &out, err: &out, now: time.Now, terminal: true, width: 60}
	if code := a.execute(t.Context(), lightRun("--windows", "2")); code != codeOK {
		t.Fatal(out.String())
	}
	lines := strings.Split(out.String(), "\n")
	for _, line := range lines[1:4] {
		if n := len([]rune(line)); n != 60 || !strings.HasSuffix(line, "...") {
			t.Errorf("%d columns of 60: %q", n, line)
		}
	}
}

func TestBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 7: "7ns", 1234: "1.23µs", 104_449: "104.4µs", 12_345_678: "12.3ms", 1_234_567_890: "1.23s", 83_456_000_000: "1m23.4s",
	} {
		if got := brief(d); got != want {
			t.Errorf("%v is shown as %s, want %s", int64(d), got, want)
		}
	}
}

// readResults reads a result file back: key by window end by result.
func readResults(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"window_end_s", "key", "result"}, rows[0]); diff != "" {
		t.Fatal(diff)
	}
	got := map[string]string{}
	for _, r := range rows[1:] {
		key, err := strconv.Unquote(`"` + r[1] + `"`)
		if err != nil {
			t.Fatalf("key %q: %v", r[1], err)
		}
		at := r[0] + " " + key
		if _, twice := got[at]; twice {
			t.Errorf("window %s has key %q twice", r[0], key)
		}
		got[at] = r[2]
	}
	return got
}

// oddInput writes n rows with keys of every kind and a sentence each. It returns the file
// and the results of a naive computation: the rows arrive at rate/s, and windows of a second
// slide by half a second.
func oddInput(t *testing.T, n int, rate float64) (file string, want map[string]string) {
	t.Helper()
	keys := []string{"one", "plain", "two words", "comma,quote\"", "line\nbreak", "\xff\xfe", "\x00", `back\slash`, "ключ", "'", "plain", "plain"}
	task, err := stream.NewTask(stream.TaskConfig{Name: stream.TaskWordcount})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	w := csv.NewWriter(&text)
	_ = w.Write([]string{"key", "text"})
	states := map[string]stream.State{}
	for i := range n {
		key, sentence := keys[i*i%len(keys)], fmt.Sprintf("word%d and word%d", i%7, i%3)
		_ = w.Write([]string{key, sentence})
		const slide = 500 * time.Millisecond
		at := time.Duration(float64(i) / rate * float64(time.Second))
		for _, end := range []time.Duration{at.Truncate(slide) + slide, at.Truncate(slide) + 2*slide} {
			name := strconv.FormatFloat(end.Seconds(), 'f', -1, 64) + " " + key
			if states[name] == nil {
				states[name] = task.NewState()
			}
			states[name].Add(&stream.Record{Key: key, Text: sentence})
		}
	}
	w.Flush()
	file = filepath.Join(t.TempDir(), "odd.csv")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	want = map[string]string{}
	for name, s := range states {
		want[name] = string(s.AppendText(nil))
	}
	return file, want
}

// The results of any partitioner on either engine are those of a naive
// computation, whatever bytes the keys are.
func TestRunResults(t *testing.T) {
	input, want := oddInput(t, 1000, 500)
	for _, c := range []struct{ engine, partitioner string }{
		{"sim", "hash"}, {"sim", "waterfill"}, {"sim", "dalton-offline"}, {"local", "wchoices"},
	} {
		file := filepath.Join(t.TempDir(), "results.csv")
		args := []string{
			"run", "--engine", c.engine, "--partitioner", c.partitioner, "--windows", "0", "--results", file, "--set", "rate.rate=500",
			"--set", "source.kind=file", "--set", "source.file={path: " + input + ", key: key, payload: [text], loop: false}",
		}
		code, out, narration := saspart(t, nil, args...)
		if code != codeOK || !strings.Contains(narration, "the source has ended") {
			t.Fatalf("%v: exit code %d\n%s%s", c, code, out, narration)
		}
		if diff := cmp.Diff(want, readResults(t, file)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c, diff)
		}
		if _, err := os.Stat(file + partialExt); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v: the partial file is still there: %v", c, err)
		}
	}
}

// An interrupted run keeps its whole windows, sums them up and leaves out the
// partitioners that were still to come.
func TestRunInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &interrupting{at: "\n     5s ", cancel: cancel}
	var narration bytes.Buffer
	a := &app{in: strings.NewReader(""), out: out, err: &narration, now: time.Now}
	file := filepath.Join(t.TempDir(), "results.csv")
	if code := a.execute(ctx, lightRun("--windows", "0", "--results", file)); code != codeInterrupted {
		t.Fatalf("exit code %d\n%s%s", code, out, &narration)
	}
	if want := "saspart: interrupted after 5 windows\n"; narration.String() != want {
		t.Errorf("stderr %q, want %q", narration.String(), want)
	}
	if !strings.Contains(out.String(), "partitioner  windows") || !strings.Contains(out.String(), " wchoices        5 ") {
		t.Errorf("no summary in\n%s", out)
	}
	ends := map[string]int{}
	for at := range readResults(t, file) {
		end, _, _ := strings.Cut(at, " ")
		ends[end]++
	}
	if len(ends) < 8 || len(ends) > 10 {
		t.Errorf("5 seconds of the job gave results of windows %v", slices.Sorted(maps.Keys(ends)))
	}

	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	out = &interrupting{at: "\n     2s ", cancel: cancel}
	a = &app{in: strings.NewReader(""), out: out, err: &narration, now: time.Now}
	code := a.execute(ctx, lightRun("--partitioner", "hash,pkg"))
	if code != codeInterrupted || strings.Contains(out.String(), "pkg") {
		t.Errorf("exit code %d; interrupted under hash, but\n%s", code, out)
	}
}

// A run that fails keeps what it had, under the name of an unfinished file, and
// leaves an older result alone.
func TestRunFails(t *testing.T) {
	dir := t.TempDir()
	input, file := filepath.Join(dir, "in.csv"), filepath.Join(dir, "results.csv")
	text := "k,v\n" + strings.Repeat("a,1\n", 5000) + "a,NaN\n"
	for path, content := range map[string]string{input: text, file: "older"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, out, narration := saspart(t, nil, "run", "--windows", "0", "--results", file, "--set", "task.name=tdigest", "--set", "rate.rate=1000",
		"--set", "source.kind=file", "--set", "source.file={path: "+input+", key: k, payload: [v], loop: false}")
	if code != codeFailed || !strings.Contains(narration, `line 5002, column "v": NaN is not a finite number`) || !strings.Contains(out, "partitioner  windows") {
		t.Errorf("exit code %d\n%s%s", code, out, narration)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "older" {
		t.Errorf("the older results are now %q, %v", got, err)
	}
	if got := readResults(t, file+partialExt); len(got) < 4 {
		t.Errorf("of the windows before the mistake only %v are left", got)
	}
}

// A full disk ends the run; what is in the file are whole windows.
func TestResultsOnAFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	file := filepath.Join(t.TempDir(), "x.csv")
	r, err := createResults(file, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer r.file.Close()
	r.file = full
	task, err := stream.NewTask(stream.TaskConfig{Name: stream.TaskCount})
	if err != nil {
		t.Fatal(err)
	}
	s := task.NewState()
	r.add(0, "a", s)
	if err := r.err(); err != nil {
		t.Errorf("before the first window is whole: %v", err)
	}
	r.add(1, "a", s)
	sink := runSink{results: r}
	if err := sink.Write(&policy.Window{}); err == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("the next window gives %v", err)
	}
	if err := r.close(true); err != nil {
		t.Errorf("the failure was told twice: %v", err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("results that are not whole got their name: %v", err)
	}
}

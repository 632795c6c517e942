package experiment

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/registry"
	"github.com/saspart/saspart/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func scheme(t *testing.T, name string, workers int) partition.Scheme {
	t.Helper()
	c := registry.Default()
	c.Name = name
	s, err := registry.New(c, workers)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOpen(t *testing.T) {
	e := config.Default()
	e.Rate.Rate = 2000
	e.Job.Partitioners = 2
	for _, name := range []string{Sim, Local} {
		counted := int64(0)
		job, err := Open(&e, name, scheme(t, "pkg", e.Job.Workers), Options{Results: func(int64, string, stream.Result) { counted++ }})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			w, err := job.Next(context.Background())
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if w.Records < 1000 || len(w.Counts) != e.Job.Workers {
				t.Errorf("%s, window %d: %d records on %d workers at 2000 records/s", name, i, w.Records, len(w.Counts))
			}
		}
		if err := job.Switch(scheme(t, "hash", e.Job.Workers)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := job.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if counted == 0 {
			t.Errorf("%s reported no results", name)
		}
	}
}

// The rows that a job's sources have skipped are reported when it is closed, if there are any.
func TestSkippedRows(t *testing.T) {
	for _, c := range []struct {
		why, rows string
		want      int64
	}{
		{"each subtask left out rows of its own", "k,v\na,1\nb,x\nc,3\nd,4\ne,y\n", 2},
		{"nothing was left out", "k,v\na,1\nb,2\n", 0},
	} {
		path := filepath.Join(t.TempDir(), "rows.csv")
		if err := os.WriteFile(path, []byte(c.rows), 0o600); err != nil {
			t.Fatal(err)
		}
		e := config.Default()
		e.Task.Name = stream.TaskTDigest
		e.Job.Partitioners = 2
		e.Source.Kind = "file"
		e.Source.File.Path, e.Source.File.Key, e.Source.File.Payload = path, "k", []string{"v"}
		e.Source.File.Loop, e.Source.File.OnBadRow = false, stream.BadRowSkip
		for _, name := range []string{Sim, Local} {
			told, got, example := 0, int64(0), error(nil)
			job, err := Open(&e, name, scheme(t, "hash", e.Job.Workers), Options{Skipped: func(rows int64, err error) {
				told, got, example = told+1, rows, err
			}})
			if err != nil {
				t.Fatal(err)
			}
			for err == nil {
				_, err = job.Next(context.Background())
			}
			if !errors.Is(err, io.EOF) {
				t.Fatalf("%s, %s: %v", name, c.why, err)
			}
			if err := job.Close(); err != nil {
				t.Errorf("%s, %s: %v", name, c.why, err)
			}
			if got != c.want || told != int(min(c.want, 1)) || (example == nil) != (c.want == 0) {
				t.Errorf("%s, %s: told %d times of %d rows, such as %v; want %d", name, c.why, told, got, example, c.want)
			}
		}
	}
}

// TestSimIsPure opens one experiment twice.
func TestSimIsPure(t *testing.T) {
	e := config.Default()
	e.Rate.Rate = 2000
	var counts [2][]int64
	for i := range counts {
		job, err := Open(&e, Sim, scheme(t, "wchoices", e.Job.Workers), Options{})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			w, err := job.Next(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			counts[i] = append(counts[i], w.Counts...)
		}
		if err := job.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(counts[0], counts[1]) {
		t.Errorf("two jobs of one experiment finish %v and %v", counts[0], counts[1])
	}
}

func TestOpenRefuses(t *testing.T) {
	file := config.Default()
	file.Task.Name, file.Source.Kind = "count", stream.KindFile
	file.Source.File.Path, file.Source.File.Key = "/nowhere/x.csv", "k"
	speeds := config.Default()
	speeds.Job.Speeds.Kind = "list"
	task := config.Default()
	task.Task.Name = "wrdcount"
	good := config.Default()
	for _, c := range []struct {
		why    string
		e      *config.Experiment
		engine string
		s      partition.Scheme
		want   string
	}{
		{"an unknown engine", &good, "smi", scheme(t, "hash", 8), `"sim"`},
		{"a missing file", &file, Sim, scheme(t, "hash", 8), "/nowhere/x.csv"},
		{"impossible speeds", &speeds, Sim, scheme(t, "hash", 8), "speeds"},
		{"an unknown task", &task, Sim, scheme(t, "hash", 8), "wordcount"},
		{"Flink, but no cluster", &good, Flink, scheme(t, "hash", 8), "cluster"},
		{"no partitioner", &good, Local, partition.Scheme{}, "partitioner"},
	} {
		if job, err := Open(c.e, c.engine, c.s, Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: job %v, error %v", c.why, job, err)
		}
	}
}

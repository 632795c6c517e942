// Package jobtest has what the tests of several engines need: jobs, records and
// partitioners made for them, the naive reduction that results are held against, and
// runners on the clock of a bubble.
package jobtest

import (
	"context"
	"fmt"
	"testing"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// Setup is a job over zipf 1.5 keys with one-word sentences out of 1,000 words.
func Setup(tb testing.TB, task, partitioner string, rate float64, c engine.Config) engine.Setup {
	tb.Helper()
	return Words(tb, task, partitioner, rate, c, 1000)
}

// Words is benchSetup with a vocabulary of the given size.
func Words(tb testing.TB, task, partitioner string, rate float64, c engine.Config, vocabulary int) engine.Setup {
	tb.Helper()
	sc := stream.DefaultSource()
	sc.Kind, sc.Keys, sc.Exponent = stream.KindZipf, 10_000, 1.5
	sc.Sentences.Words, sc.Sentences.Vocabulary = 1, vocabulary
	sources, err := stream.OpenSources(sc, stream.SourceEnv{Subtasks: c.Partitioners, Seed: 1, Task: task})
	if err != nil {
		tb.Fatal(err)
	}
	s := engine.Setup{Config: c, Task: NewTask(tb, task), Sources: sources, Scheme: Scheme(tb, partitioner, c.Workers), Seed: 1}
	rc := stream.DefaultRate()
	rc.Rate = rate
	for i := range c.Partitioners {
		s.Rates = append(s.Rates, stream.NewArrivals(rc, i, c.Partitioners, 1))
	}
	return s
}

// SplitRoute splits the ten heaviest keys of the benchmark's source over all
// workers and places the next 100.
func SplitRoute(workers int) *policy.Route {
	r := policy.HashRoute(workers)
	for i := range 110 {
		k := policy.KeyRoute{Hash: stream.Hash(fmt.Sprintf("key-%04d", i))}
		if i < 10 {
			for w := range workers {
				k.Workers, k.Shares = append(k.Workers, uint16(w)), append(k.Shares, 1/float64(workers))
			}
		} else {
			k.Workers, k.Shares = []uint16{uint16(i % workers)}, []float64{1}
		}
		r.Keys = append(r.Keys, k)
	}
	r.Version = 1
	return r
}

// NewTask makes the task of a name, with its default options.
func NewTask(t tester, name string) stream.Task {
	t.Helper()
	cfg := stream.DefaultTask()
	cfg.Name = name
	task, err := stream.NewTask(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return task
}

// NextWindow runs a job to the end of its next window.
func NextWindow(t testing.TB, j engine.Job) *policy.Window {
	t.Helper()
	w, err := j.Next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

package rate

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/experiment"
	"github.com/saspart/saspart/stream"
)

func heap() uint64 { return 1 << 20 }

func TestStress(t *testing.T) {
	shape := func(name string) *config.Experiment {
		return job(func(e *config.Experiment) {
			e.Partitioner.Name = name
			e.Source.Kind = stream.KindZipfSequence
			e.Source.Sequence = stream.SequenceConfig{Exponents: []float64{1, 1.6}, Interval: 15 * time.Second, Reshuffle: true}
		})
	}
	c := StressConfig{Load: 0.7, Duration: 60 * time.Second, Warmup: 4}
	stress := func(name string) *Stressed {
		seen := 0
		r, err := Stress(context.Background(), Subject{Experiment: shape(name), Engine: experiment.Sim, Now: time.Now}, c, heap, func(Moment) { seen++ })
		if err != nil {
			t.Fatal(err)
		}
		if seen != 60 || len(r.Windows) != 60 || len(r.Shifts) != 3 || r.HeapMost != 1<<20 || r.Rate < 2799 || r.Rate > 2801 {
			t.Fatalf("%s: %d windows, %d shifts, rate %v", name, seen, len(r.Shifts), r.Rate)
		}
		return r
	}
	hash, waterfill := stress("hash"), stress("waterfill")
	if hash.Blocked < 5*time.Second || hash.Sent > 0.95*hash.Rate {
		t.Errorf("hash was blocked for %v only, at %.0f of %.0f records/s", hash.Blocked, hash.Sent, hash.Rate)
	}
	if waterfill.Blocked > hash.Blocked/2 || waterfill.Imbalance > hash.Imbalance/3 || waterfill.P99 > hash.P99 {
		t.Errorf("waterfill was blocked for %v, hash for %v", waterfill.Blocked, hash.Blocked)
	}
	for _, s := range waterfill.Shifts {
		if !s.Recovered || s.Windows > 2 || s.Settled > 0.2 {
			t.Errorf("waterfill after %v s: %+v", s.At, s)
		}
	}
}

func TestRecovery(t *testing.T) {
	phase := func(values ...float64) []Moment {
		var w []Moment
		for i, v := range values {
			w = append(w, Moment{At: float64(i + 1), Imbalance: v})
		}
		return w
	}
	blocked := phase(.1, .1, .1, .1, .1, .1, .1, .1)
	blocked[4].Blocked, blocked[5].Blocked = 1, 0.5
	stuck := phase(.1, .1, .1, .1, .1, .1)
	for i := range stuck {
		stuck[i].Blocked = 0.3
	}
	for _, c := range []struct {
		why         string
		windows     []Moment
		from, until float64
		want        Shift
		ok          bool
	}{
		{"three bad windows", phase(.1, .1, .9, .8, .7, .1, .1, .1, .1, .1), 2, 99, Shift{At: 2, Windows: 3, Recovered: true, Settled: .1}, true},
		{"one good window among bad ones is chance", phase(.1, .1, .9, .1, .7, .1, .1, .1, .1, .1), 2, 99, Shift{At: 2, Windows: 3, Recovered: true, Settled: .1}, true},
		{"nothing happened", phase(.1, .1, .1, .1, .1, .1), 2, 99, Shift{At: 2, Recovered: true, Settled: .1}, true},
		{"balanced, but the source still waits", blocked, 4, 99, Shift{At: 4, Windows: 2, Recovered: true, Settled: .1}, true},
		{"it swings to the end", phase(.1, .1, .9, .1, .9, .1, .9, .1, .9, .1, .1), 2, 99, Shift{At: 2, Windows: 7, Recovered: true, Settled: .1}, true},
		{"blocked to the end", stuck, 0, 99, Shift{At: 0, Windows: 6, Settled: .1}, true},
		{"only its own phase counts", phase(.1, .1, .9, .1, .1, .1, .8, .8, .8, .8), 2, 6, Shift{At: 2, Windows: 1, Recovered: true, Settled: .1}, true},
		{"too short to tell", phase(.1, .1, .9, .1, .1), 2, 99, Shift{}, false},
		{"after the end", phase(.1, .1), 2, 99, Shift{}, false},
	} {
		got, ok := recovery(c.windows, c.from, c.until)
		if got != c.want || ok != c.ok {
			t.Errorf("%s: %+v %v, want %+v", c.why, got, ok, c.want)
		}
	}
}

func TestStressRefuses(t *testing.T) {
	c := DefaultStress()
	c.Load, c.Duration, c.Warmup = -1, 0, -1
	if err := c.Validate(); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("impossible values: %v", err)
	}
	c = DefaultStress()
	c.Duration = 5 * time.Second
	if _, err := Stress(context.Background(), Subject{Experiment: job(nil), Engine: experiment.Sim, Now: time.Now}, c, heap, nil); err == nil || !strings.Contains(err.Error(), "warm-up") {
		t.Errorf("a warm-up longer than all: %v", err)
	}
}

package operator

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/engine/internal/jobtest"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// TestTimes compares what a combiner timed with sums over all records, through several
// windows, in which slides end and keys go.
func TestTimes(t *testing.T) {
	const slots = 256
	task := jobtest.NewTask(t, "count")
	rapid.Check(t, func(t *rapid.T) {
		c := NewCombiner(task, 1)
		var got policy.Times
		type sum struct{ records, total int64 }
		before := map[string]sum{} // of the last window
		for window := range rapid.Int64Range(1, 3).Draw(t, "windows") {
			keys, bySlot := map[string]sum{}, make([]sum, slots)
			for range rapid.IntRange(0, 200).Draw(t, "records") {
				name := fmt.Sprint(rapid.IntRange(0, 80).Draw(t, "key"))
				r := stream.Record{Key: name, Hash: stream.Hash(name)}
				ns := rapid.Int64Range(1, 1000).Draw(t, "ns")
				c.Add(&r, window, rapid.Bool().Draw(t, "merge"))
				if rapid.IntRange(0, 3).Draw(t, "untimed") == 0 {
					continue
				}
				c.Took(FromNanos(ns))
				s := policy.SlotOf(r.Hash, slots)
				keys[name] = sum{keys[name].records + 1, keys[name].total + ns}
				bySlot[s] = sum{bySlot[s].records + 1, bySlot[s].total + ns}
			}
			c.Emit(window, 0, func(p Partial) { c.Recycle(p.State) })
			c.Times(&got, slots)
			if err := got.Validate(slots); err != nil {
				t.Fatal(err)
			}
			all := sum{}
			for _, s := range got.Slots {
				if want := bySlot[s.Slot]; s.Records != want.records || int64(s.Total) != want.total {
					t.Fatalf("slot %d: %+v, want %+v", s.Slot, s, want)
				}
				all = sum{all.records + s.Records, all.total + int64(s.Total)}
				bySlot[s.Slot] = sum{}
			}
			if slices.ContainsFunc(bySlot, func(s sum) bool { return s.records > 0 }) || got.Records != all.records || int64(got.Total) != all.total {
				t.Fatalf("%d records in %v; slots have %+v, missing %v", got.Records, got.Total, all, bySlot)
			}
			listed := map[string]bool{}
			for _, k := range got.Keys {
				if want := keys[k.Name]; k.Hash != stream.Hash(k.Name) || k.Records != want.records || int64(k.Total) != want.total {
					t.Fatalf("key %q: %+v, want %+v", k.Name, k, want)
				}
				listed[k.Name] = true
			}
			for name := range keys {
				total, heavier := before[name].total, 0
				for _, s := range before {
					if s.total > total {
						heavier++
					}
				}
				equal := heavier < timedKeys && len(before) > timedKeys // one of several, perhaps
				if listed[name] != (total > 0 && heavier < timedKeys) && !equal {
					t.Fatalf("key %q took %d before, which was less than %d others took; listed: %v", name, total, heavier, listed[name])
				}
			}
			before = keys
		}
	})
}

// TestScatter: the scatter is of the records of a key, not of the keys.
func TestScatter(t *testing.T) {
	for _, c := range []struct {
		why    string
		spread float64 // relative standard deviation of a record's time
		want   float64
	}{
		{"records of a key cost the same, whatever the key", 0, 0},
		{"records of a key differ by half", 0.5, 0.25},
	} {
		rng, comb := rand.New(rand.NewPCG(1, 2)), NewCombiner(jobtest.NewTask(t, "count"), 1)
		for range 20000 {
			name := fmt.Sprint(rng.IntN(400))
			r := stream.Record{Key: name, Hash: stream.Hash(name)}
			mean := float64(1000 * (1 + r.Hash%20))
			comb.Add(&r, 0, false)
			comb.Took(FromNanos(int64(mean * (1 + c.spread*(2*float64(rng.IntN(2))-1)))))
		}
		var got policy.Times
		if comb.Times(&got, 1<<16); math.Abs(got.Scatter-c.want) > 0.05*c.want+0.001 { // a few keys share a slot
			t.Errorf("%s: scatter %v, want %v", c.why, got.Scatter, c.want)
		}
	}
}

// TestSampler: one record in 32 is timed, at irregular distances, more of slow records, and a
// long pause counts as no more than 64 records.
func TestSampler(t *testing.T) {
	s := NewSampler(1, 2)
	due, gaps := 0, map[int]bool{}
	for gap := range 320_000 {
		if s.Due() {
			s.Begin()
			due++
			gaps[gap%sampled] = true
		}
	}
	if math.Abs(float64(due)-10_000) > 500 || len(gaps) != sampled {
		t.Errorf("%d of 320,000 records timed, at %d of 32 places", due, len(gaps))
	}
	s.mean = 4000
	due = 0
	for range 40_000 {
		if s.Due() {
			s.Begin()
			due++
		}
	}
	if math.Abs(float64(due)-10_000) > 500 {
		t.Errorf("%d of 40,000 records of 4 µs timed, want a quarter", due)
	}
	s.mean = 100
	s.begun = s.begun.Add(-1e9)
	if got := s.End(); got != longest*100*perNano {
		t.Errorf("a pause of a second counts as %v", got.Duration())
	}
}

func BenchmarkTimes(b *testing.B) {
	comb := NewCombiner(jobtest.NewTask(b, "count"), 1)
	var to policy.Times
	for b.Loop() {
		for i := range 2000 {
			name := "key"
			r := stream.Record{Key: name, Hash: uint64(i) * 0x9e3779b97f4a7c15}
			comb.Add(&r, 0, false)
			comb.Took(1000)
		}
		comb.Times(&to, 4096)
	}
}

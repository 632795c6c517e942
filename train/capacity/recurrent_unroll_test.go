//go:build torch

package capacity

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/filter"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/policy/scenario"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/recording"
)

// recorded is a job of a scenario under shares that wander at random around the true
// speeds, with so many records per window.
func recorded(t testing.TB, s *scenario.Scenario, records float64, seed uint64) *recording.Recording {
	t.Helper()
	return recordedBy(t, s, 1, records, seed)
}

// recordedBy is a job whose shares wander around a power of the speeds: with 0 around
// equal ones, with 1 around the best.
func recordedBy(t testing.TB, s *scenario.Scenario, power, records float64, seed uint64) *recording.Recording {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 3))
	q := &dataset.Sequence{File: "x.arrow", Workers: s.Workers, Windows: s.Windows}
	share, busy, off := make([]float64, s.Workers), make([]float64, s.Workers), make([]float64, s.Workers)
	for at := range s.Windows {
		sum := 0.0
		for w := range share {
			off[w] = 0.8*off[w] + 0.2*rng.NormFloat64()
			share[w] = math.Pow(s.SpeedsAt(at)[w], power) * math.Exp(off[w])
			sum += share[w]
		}
		for w := range share {
			share[w] /= sum
		}
		s.Busy(at, share, busy)
		for w := range share {
			q.Counts = append(q.Counts, float32(math.Round(records*share[w])))
			q.Busy = append(q.Busy, float32(busy[w]))
			q.Queue = append(q.Queue, float32(math.Floor(busy[w])))
		}
		q.Mixed = append(q.Mixed, false)
	}
	r, err := recording.Of(q, policy.DefaultP0)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// spoiled has windows as they come in real jobs: mixed ones, workers and whole
// windows that were not measured, idle and lost ones.
func spoiled(t testing.TB, r *recording.Recording) *recording.Recording {
	t.Helper()
	q, p := r.Raw, r.Raw.Workers
	nan := float32(math.NaN())
	q.Mixed[3], q.Mixed[9] = true, true
	q.Busy[5*p+1], q.Busy[7*p], q.Counts[7*p] = nan, 0, 0
	q.Counts[8*p+2] = -1
	for w := range p {
		q.Busy[6*p+w] = nan
	}
	r, err := recording.Of(&q, policy.DefaultP0)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func scenarioOf(workers, windows int, seed uint64) *scenario.Scenario {
	c := scenario.Default()
	c.Windows, c.Utilisation = windows, [2]float64{0.9, 0.9}
	return scenario.New(c, workers, seed)
}

// tinyRecurrent learns in no time, with every input.
func tinyRecurrent(a train.Algorithm) RecurrentConfig {
	c := DefaultRecurrent()
	c.Algorithm, c.Inputs, c.Units = a, filter.InputNames(), 4
	c.Critics, c.Encoder, c.Pooled, c.Hidden = 3, []int{6}, 4, []int{5}
	c.Rows, c.BurnIn, c.Stretch, c.CQL.Actions, c.WaitUpdates = 8, 3, 4, 2, 3
	return c
}

func newRecurrent(t testing.TB, c RecurrentConfig, seed uint64) *RecurrentSACN {
	t.Helper()
	return newRecurrentFrom(t, c, nil, seed)
}

// newHedged is newRecurrent from a policy with hedges and pooled memories.
func newHedged(t testing.TB, c RecurrentConfig, seed uint64) *RecurrentSACN {
	t.Helper()
	hedged := tinyCapacity()
	hedged.Hedge = true
	start, err := NewModelTrainer(hedged, seed)
	if err != nil {
		t.Fatal(err)
	}
	return newRecurrentFrom(t, c, start.Checkpoint(), seed)
}

func newRecurrentFrom(t testing.TB, c RecurrentConfig, start *checkpoint.Checkpoint, seed uint64) *RecurrentSACN {
	t.Helper()
	r, err := NewRecurrentSACN(c, start, seed)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range r.actor.W {
		r.actor.W[i] += float32(0.2 * rng.NormFloat64()) // or no gradient gets past the head
	}
	return r
}

// The walk is that of the policy that serves.
func TestUnrollIsThePolicys(t *testing.T) {
	for _, c := range []struct {
		why     string
		workers int
		records float64
		spoil   bool
		hedged  bool
	}{
		{"as it should be", 8, 1e6, false, false},
		{"more workers than a tile", 70, 1e6, false, true},
		{"few records", 5, 60, false, false},
		{"windows as they come", 4, 1e4, true, false},
		{"windows as they come, with hedges", 4, 1e4, true, true},
	} {
		rec := recorded(t, scenarioOf(c.workers, 20, 1), c.records, 2)
		if c.spoil {
			rec = spoiled(t, rec)
		}
		r := newRecurrent(t, tinyRecurrent(train.BC), 3)
		if c.hedged {
			r = newHedged(t, tinyRecurrent(train.BC), 3)
		}
		for _, before := range []int{0, 4} {
			k := &r.unroll
			k.begin([]recording.Stretch{{Recording: rec}, {Recording: rec}}, before, before+20)
			w := r.net.Views(r.actor.W)
			k.forward(&w)
			f, err := learned.NewCapacityPolicy(r.Checkpoint(), c.workers)
			if err != nil {
				t.Fatal(err)
			}
			share, q := make([]float64, c.workers), &rec.Raw
			for at := range 20 {
				m := scenario.Measured{Seen: make([]float64, c.workers), Busy: make([]float64, c.workers), Queue: make([]float64, c.workers)}
				for w := range c.workers {
					m.Records += math.Max(0, float64(q.Counts[at*c.workers+w]))
				}
				for w := range c.workers {
					n := float64(q.Counts[at*c.workers+w])
					m.Seen[w] = (n + 0.5) / (m.Records + float64(c.workers)/2)
					if n < 0 {
						m.Seen[w] = -1
					}
					m.Busy[w], m.Queue[w] = float64(q.Busy[at*c.workers+w]), float64(q.Queue[at*c.workers+w])
				}
				m.Share, m.Records = m.Seen, max(m.Records, 1)
				if !q.Mixed[at] {
					f.Decide(&m, share)
				}
				mean := 0.0
				for _, v := range share {
					mean += math.Log(v) / float64(c.workers)
				}
				for row, got := range k.logShare(before + at) {
					if want := math.Log(share[row%c.workers]) - mean; !(math.Abs(got-want) < 1e-5) {
						t.Fatalf("%s, %d windows before: log share of row %d after window %d is %v, the policy's is %v", c.why, before, row, at, got, want)
					}
				}
			}
		}
	}
}

// The gradient through time is what finite differences say.
func TestUnrollGradient(t *testing.T) {
	for _, c := range []struct {
		why           string
		spoil, hedged bool
	}{{"every worker measured", false, false}, {"windows as they come", true, false}, {"with hedges", true, true}} {
		rec := recorded(t, scenarioOf(4, 20, 1), 1e9, 2) // so many that k does not depend on the estimate
		if c.spoil {
			rec = spoiled(t, rec)
		}
		r := newRecurrent(t, tinyRecurrent(train.BC), 3)
		if c.hedged {
			r = newHedged(t, tinyRecurrent(train.BC), 3)
		}
		const steps = 12
		stretches := []recording.Stretch{{Recording: rec}, {Recording: rec, From: 6}}
		rng := rand.New(rand.NewPCG(1, 1))
		n := steps * len(stretches) * 4
		byShare, byLogStd := make([]float64, n), make([]float32, n)
		for i := range n {
			byShare[i], byLogStd[i] = rng.NormFloat64(), float32(rng.NormFloat64())
		}
		loss := func() (sum float64) {
			w := r.net.Views(r.actor.W)
			r.unroll.begin(stretches, 2, steps)
			r.unroll.forward(&w)
			for i := range n {
				sum += byShare[i]*r.unroll.share[i+n/steps] + float64(byLogStd[i]*r.unroll.logStd[i])
			}
			return sum
		}
		loss()
		w, g := r.net.Views(r.actor.W), r.net.Views(r.actor.Grad)
		r.unroll.backward(&w, &g, byShare, byLogStd)
		grad := slices.Clone(r.actor.Grad)
		off, checked := 0, 0
		for i := range r.actor.W {
			slope := func(step float32) float64 {
				was := r.actor.W[i]
				r.actor.W[i] = was + step
				up, high := loss(), r.actor.W[i]
				r.actor.W[i] = was - step
				down, low := loss(), r.actor.W[i]
				r.actor.W[i] = was
				return (up - down) / float64(high-low)
			}
			wide, narrow := slope(4e-3), slope(2e-3)
			if math.Abs(wide-narrow) > 1e-3+0.02*math.Abs(narrow) {
				continue // a kink, or curved
			}
			checked++
			best := narrow + (narrow-wide)/3
			if math.Abs(float64(grad[i])-best) > 2e-3+0.01*math.Abs(best) {
				off++
				t.Logf("%s: gradient %d is %v, differences give %v", c.why, i, grad[i], best)
			}
		}
		if off > 0 || checked < len(grad)/2 {
			t.Errorf("%s: of %d gradients %d were checked and %d are off", c.why, len(grad), checked, off)
		}
	}
}

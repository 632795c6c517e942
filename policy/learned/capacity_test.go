package learned

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/internal/toy"
	"github.com/saspart/saspart/policy/scenario"
)

// measuredOf is a window of exact measurements; seen nil is share.
func measuredOf(share, seen, busy []float64) scenario.Measured {
	if seen == nil {
		seen = share
	}
	return scenario.Measured{Share: share, Seen: seen, Busy: busy, Queue: make([]float64, len(share))}
}

// An untrained network is a smoothing with the gain sigmoid(-1).
func TestUntrainedIsASmoothing(t *testing.T) {
	c := scenario.Default()
	c.Utilisation = [2]float64{0.3, 0.4} // saturation, which the two treat differently, is rare
	c.JumpTo = [2]float64{0.8, 1.2}
	untrained, err := NewCapacityPolicy(checkpoint.UntrainedCapacity(32, 3), 5)
	if err != nil {
		t.Fatal(err)
	}
	a := evaluate(t, untrained, c, 16, 20) // of another size than it was made for
	b := evaluate(t, &scenario.Smoothed{Alpha: 1 / (1 + math.E)}, c, 16, 20)
	if d := cmp.Diff(a, b, cmpopts.EquateApprox(0, 1e-4)); d != "" {
		t.Errorf("untrained (-) against a smoothing (+):\n%s", d)
	}
}

// Workers have no names: exchanged, they get exchanged shares, whatever the network.
func TestCapacityIsEquivariant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.IntRange(1, 70).Draw(t, "workers")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		c := checkpoint.UntrainedCapacity(8, 1)
		inputs := len(c.Capacity.Inputs)
		c.Capacity.Hedge = rapid.Bool().Draw(t, "hedge")
		c.Capacity.Pool = rapid.Bool().Draw(t, "pool")
		c.Tensors = toy.GRUTensors(rng, inputs, 8, c.Capacity.Actions(), c.Capacity.Pool)
		c.Normalisation = &checkpoint.Normalisation{Mean: toy.Normals(rng, inputs), Scale: toy.Normals(rng, inputs)}
		a, err := NewCapacityPolicy(c, p)
		if err != nil {
			t.Fatal(err)
		}
		b, err := NewCapacityPolicy(c, p)
		if err != nil {
			t.Fatal(err)
		}
		perm := rng.Perm(p)
		permuted := func(v []float64) []float64 {
			out := make([]float64, p)
			for i, at := range perm {
				out[i] = v[at]
			}
			return out
		}
		s := scenario.New(scenario.Default(), p, rng.Uint64())
		share, next, other := make([]float64, p), make([]float64, p), make([]float64, p)
		for w := range share {
			share[w] = 1 / float64(p)
		}
		busy, queue := make([]float64, p), make([]float64, p)
		for step := range 6 {
			s.Busy(step, share, busy)
			if rng.IntN(2) == 0 {
				busy[rng.IntN(p)] = math.NaN()
			}
			m := scenario.Measured{Share: share, Seen: share, Busy: busy, Queue: queue, Records: float64(step) * 1000}
			a.Decide(&m, next)
			pm := scenario.Measured{Share: permuted(share), Seen: permuted(share), Busy: permuted(busy), Queue: queue, Records: m.Records}
			b.Decide(&pm, other)
			sum := 0.0
			for _, v := range next {
				sum += v
			}
			if !(slices.Min(next) >= 0 && math.Abs(sum-1) < 1e-6) {
				t.Fatalf("step %d: shares %v", step, next)
			}
			if d := cmp.Diff(permuted(next), other, cmpopts.EquateApprox(1e-3, 1e-6)); d != "" {
				t.Fatalf("step %d:\n%s", step, d)
			}
			copy(share, next)
		}
	})
}

// A network that puts out no numbers changes nothing, and recovers.
func TestCapacityWithstandsNaN(t *testing.T) {
	f, err := NewCapacityPolicy(checkpoint.UntrainedCapacity(4, 1), 2)
	if err != nil {
		t.Fatal(err)
	}
	share := make([]float64, 2)
	m := measuredOf([]float64{0.5, 0.5}, nil, []float64{0.3, 0.6})
	if !f.Decide(&m, share) || !(share[0] > 0.5) {
		t.Fatalf("shares %v", share)
	}
	before := slices.Clone(share)
	f.memory[1] = float32(math.NaN())
	if f.Decide(&m, share) || cmp.Diff(before, share) != "" {
		t.Errorf("with a NaN in its memory the shares go from %v to %v", before, share)
	}
	if !f.Decide(&m, share) || !(share[0] > before[0]) {
		t.Errorf("it does not recover: %v", share)
	}
}

// What was not measured does not enter a worker's memory.
func TestCapacityKeepsMemory(t *testing.T) {
	f, err := NewCapacityPolicy(checkpoint.UntrainedCapacity(4, 1), 2)
	if err != nil {
		t.Fatal(err)
	}
	share := make([]float64, 2)
	m := measuredOf([]float64{0.5, 0.5}, nil, []float64{0.3, 0.6})
	f.Decide(&m, share)
	before := slices.Clone(f.memory)
	m.Busy = []float64{0.3, math.NaN()}
	f.Decide(&m, share)
	if cmp.Equal(before[:4], f.memory[:4]) || !cmp.Equal(before[4:], f.memory[4:]) {
		t.Errorf("memory from %v to %v", before, f.memory)
	}
}

func TestDecideAllocatesNothing(t *testing.T) {
	f, err := NewCapacityPolicy(checkpoint.UntrainedCapacity(32, 1), 100)
	if err != nil {
		t.Fatal(err)
	}
	share, busy := make([]float64, 100), make([]float64, 100)
	for w := range share {
		share[w], busy[w] = 0.01, 0.5
	}
	busy[3] = math.NaN()
	m := measuredOf(share, nil, busy)
	next := make([]float64, 100)
	if got := testing.AllocsPerRun(10, func() { f.Decide(&m, next) }); got != 0 {
		t.Errorf("a decision allocates %v times", got)
	}
}

package learned

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/filter"
	"github.com/saspart/saspart/policy/scenario"
)

// exploring is an untrained policy, with a head that deviates by what it remembers.
func exploring(t *testing.T) (*checkpoint.Checkpoint, *ExploringPolicy) {
	t.Helper()
	c := checkpoint.UntrainedCapacity(6, 1)
	head := c.Tensors[4].Data
	for i := range head {
		head[i] = float32(i%7-3) / 5
	}
	x, err := NewExploringPolicy(c, 3, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	return c, x
}

func someMeasured() *scenario.Measured {
	return &scenario.Measured{Share: []float64{0.3, 0.3, 0.4}, Seen: []float64{0.3, 0.3, 0.4}, Busy: []float64{0.4, 0.5, 0.9}, Queue: make([]float64, 3)}
}

// Exploring scatters log shares as far as it says around those of the policy, and does
// not touch what the policy remembers.
func TestExploringScattersAround(t *testing.T) {
	c, x := exploring(t)
	plain, err := NewCapacityPolicy(c, 3)
	if err != nil {
		t.Fatal(err)
	}
	want, got := make([]float64, 3), make([]float64, 3)
	plain.Decide(someMeasured(), want)
	const n = 4000
	var sum, square [2]float64
	for range n {
		x.Reset()
		x.Decide(someMeasured(), got)
		for i := range sum { // against the third worker: what all have in common says nothing
			d := math.Log(got[i]/got[2]) - math.Log(want[i]/want[2])
			sum[i] += d / n
			square[i] += d * d / n
		}
	}
	std := x.Deviations()
	for i := range sum {
		wide := math.Hypot(std[i], std[2])
		if math.Abs(sum[i]) > 4*wide/math.Sqrt(n) || math.Abs(math.Sqrt(square[i])/wide-1) > 0.05 {
			t.Errorf("log share of worker %d: off by %.4f and scattered by %.4f, want 0 and %.4f", i, sum[i], math.Sqrt(square[i]), wide)
		}
	}
	if !slices.Equal(x.policy.filter.Estimate(), plain.filter.Estimate()) || !slices.Equal(x.policy.memory, plain.memory) {
		t.Error("estimates or memories are others than without exploring")
	}
	x.Reset()
	x.Explore = false
	if x.Decide(someMeasured(), got); !slices.Equal(got, want) {
		t.Errorf("shares %v without exploring, the policy's are %v", got, want)
	}
	if x.Decide(&scenario.Measured{Share: want, Seen: []float64{-1, -1, -1}, Busy: want, Queue: want}, got) {
		t.Error("it decided on nothing")
	}
}

func TestExploringAdopts(t *testing.T) {
	c, x := exploring(t)
	x.Explore = false
	share := make([]float64, 3)
	x.Decide(someMeasured(), share)
	before := slices.Clone(x.policy.filter.Estimate())
	newer := checkpoint.UntrainedCapacity(6, 1)
	newer.Tensors[5].Data[filter.Actions(false)] = -1
	if err := x.Adopt(newer); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(x.policy.filter.Estimate(), before) {
		t.Error("it forgot its estimates")
	}
	if got := x.Deviations()[0]; math.Abs(got-math.Exp(-1)) > 1e-6 {
		t.Errorf("deviation %v, the newer parameters say %v", got, math.Exp(-1))
	}
	if err := x.Adopt(checkpoint.UntrainedCapacity(5, 1)); err == nil || !strings.Contains(err.Error(), "another") && !strings.Contains(err.Error(), "network of") {
		t.Errorf("a network of another size: %v", err)
	}
	c.Kind, c.Capacity = checkpoint.KindShares, nil
	if err := x.Adopt(c); err == nil {
		t.Error("a shares policy was adopted")
	}
}

// A controller made of a policy decides as the one made of its checkpoint.
func TestCapacityControllerIsTheLearned(t *testing.T) {
	if _, err := NewCapacityController(nil, Default(), 0); err == nil {
		t.Error("a job without workers was taken")
	}
	c, err := checkpoint.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	capacity, err := NewCapacityPolicy(c, 3)
	if err != nil {
		t.Fatal(err)
	}
	one, errOne := New(c, Default(), 3)
	other, errOther := NewCapacityController(capacity, Default(), 3)
	if errOne != nil || errOther != nil {
		t.Fatal(errOne, errOther)
	}
	w := &policy.Window{Counts: []int64{3000, 3000, 4000}, Busy: []float64{0.4, 0.5, 0.9}, Slots: make([]int64, policy.SlotCount(3))}
	for i := range w.Slots {
		w.Slots[i] = int64(10000 / len(w.Slots))
	}
	a, b := one.Decide(w, policy.HashRoute(3)).Route, other.Decide(w, policy.HashRoute(3)).Route
	if a == nil || b == nil || !slices.Equal(a.Slots, b.Slots) {
		t.Errorf("routes %v and %v", a, b)
	}
}

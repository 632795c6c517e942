package wire

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/policy"
)

// Capacities come back to within half a unit, and what waits to within half a record. None
// that is above 0 becomes 0.
func TestCapacitiesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := rapid.IntRange(1, 300).Draw(t, "workers")
		parts := rapid.SliceOfN(rapid.OneOf(rapid.Float64Range(0.5, 2), rapid.Float64Range(0, 1e3), rapid.Just(0.0), rapid.Just(1e-9)), workers, workers).Draw(t, "parts")
		c := policy.CapacitiesOf(parts)
		if c == nil {
			t.Skip("all are 0")
		}
		c.Load = rapid.SampledFrom([]float64{0, 1e-6, 0.5, 0.8003, 1}).Draw(t, "load")
		if rapid.Bool().Draw(t, "waiting") {
			c.Waiting = rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), workers, workers).Draw(t, "waiting")
		}
		a, _, err := ReadResponse(AppendDecision(nil, &Decision{Window: 1, Capacities: c}), workers, nil, 1<<20)
		if err != nil || a.Err != nil {
			t.Fatal(err, a)
		}
		got := a.Capacities
		if err := got.Validate(workers); err != nil {
			t.Fatal(err)
		}
		if math.Abs(got.Load-c.Load) > 1.0/capacityUnit || (got.Load == 0) != (c.Load == 0) {
			t.Fatalf("load %v, want %v", got.Load, c.Load)
		}
		// The sum is off by half a unit of each worker at most.
		unit := 1.5 / capacityUnit / float64(workers)
		for w := range parts {
			if math.Abs(got.Of[w]-c.Of[w]) > unit*(1+float64(workers)*c.Of[w]) || (got.Of[w] == 0) != (c.Of[w] == 0) {
				t.Fatalf("worker %d of %d has %v, want %v", w, workers, got.Of[w], c.Of[w])
			}
			if c.Waiting != nil && math.Abs(got.Waiting[w]-c.Waiting[w]) > 0.5 {
				t.Fatalf("at worker %d wait %v, want %v", w, got.Waiting[w], c.Waiting[w])
			}
		}
	})
}

func TestCapacitiesThatCannotBeFollowed(t *testing.T) {
	for why, c := range map[string]*policy.Capacities{
		"of another number of workers":    {Of: []float64{0.5, 0.5}},
		"all 0":                           {Of: make([]float64, 4)},
		"with too few numbers of waiting": {Of: []float64{0.25, 0.25, 0.25, 0.25}, Waiting: []float64{1}},
	} {
		a, _, err := ReadResponse(AppendDecision(nil, &Decision{Window: 1, Capacities: c}), 4, nil, 1<<20)
		if err != nil || a.Err == nil || a.Capacities != nil {
			t.Errorf("%s: %+v, %v", why, a, err)
		}
	}
}

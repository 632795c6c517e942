package rate

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/optimize/convex/lp"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/fluid"
	"github.com/saspart/saspart/partition/registry"
	"github.com/saspart/saspart/policy"
)

// failer is a testing.T or a rapid.T.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// best is the highest throughput of any split of keys over their allowed workers beside
// given loads. It solves a linear program: maximise r, where x[k][w] is the part of key k
// that worker w gets per second,
//
//	sum over w of x[k][w] = r * weight[k]    sum over k of x[k][w] + r * load[w] <= speed[w]
func best(t failer, weights []float64, allowed [][]uint16, loads, speeds []float64) float64 {
	t.Helper()
	pairs := 0
	for _, ws := range allowed {
		pairs += len(ws)
	}
	// Variables: r, the pairs, a slack per worker.
	n := 1 + pairs + len(speeds)
	rows := len(weights) + len(speeds)
	a, b := mat.NewDense(rows, n, nil), make([]float64, rows)
	at := 1
	for k, ws := range allowed {
		a.Set(k, 0, -weights[k])
		for _, w := range ws {
			a.Set(k, at, 1)
			a.Set(len(weights)+int(w), at, 1)
			at++
		}
	}
	for w := range speeds {
		row := len(weights) + w
		a.Set(row, 0, loads[w])
		a.Set(row, at, 1)
		b[row] = speeds[w]
		at++
	}
	c := make([]float64, n)
	c[0] = -1
	value, _, err := lp.Simplex(c, a, b, 1e-12, nil)
	if err != nil {
		t.Fatalf("the linear program: %v", err)
	}
	return -value
}

// TestBestSplitIsOptimal holds the search by maximum flow against the linear program.
func TestBestSplitIsOptimal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys, workers := rapid.IntRange(1, 5).Draw(t, "keys"), rapid.IntRange(1, 5).Draw(t, "workers")
		some := rapid.Float64Range(0.05, 1)
		weights := rapid.SliceOfN(some, keys, keys).Draw(t, "weights")
		speeds := rapid.SliceOfN(some, workers, workers).Draw(t, "speeds")
		loads := rapid.SliceOfN(some, workers, workers).Draw(t, "loads")
		var allowed [][]uint16
		for range keys {
			set := rapid.SliceOfNDistinct(rapid.Uint16Range(0, uint16(workers-1)), 1, workers, rapid.ID).Draw(t, "allowed")
			allowed = append(allowed, set)
		}
		got, want := bestSplit(weights, allowed, loads, speeds), best(t, weights, allowed, loads, speeds)
		if math.Abs(got-want) > 1e-6*want {
			t.Fatalf("%v; the linear program says %v", got, want)
		}
	})
}

// TestFluidBoundIsTheOptimum: with every split allowed the linear program gives the
// sum of the speeds, and no assignment of whole keys, of all that there are, exceeds it.
func TestFluidBoundIsTheOptimum(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 7))
	for range 30 {
		keys, workers := 2+rng.IntN(5), 2+rng.IntN(3)
		weights, speeds, loads := make([]float64, keys), make([]float64, workers), make([]float64, workers)
		sum := 0.0
		for k := range weights {
			weights[k] = rng.ExpFloat64()
			sum += weights[k]
		}
		for k := range weights {
			weights[k] /= sum
		}
		for w := range speeds {
			speeds[w] = 0.5 + rng.Float64()
		}
		all := make([][]uint16, keys)
		for k := range all {
			for w := range workers {
				all[k] = append(all[k], uint16(w))
			}
		}
		bound := fluid.Bound(speeds, 1)
		if got := best(t, weights, all, loads, speeds); math.Abs(got-bound) > 1e-6*bound {
			t.Fatalf("the linear program gives %v, the fluid bound is %v", got, bound)
		}
		most := 0.0
		for code := range int(math.Pow(float64(workers), float64(keys))) {
			clear(loads)
			for k, rest := 0, code; k < keys; k, rest = k+1, rest/workers {
				loads[rest%workers] += weights[k]
			}
			most = max(most, fluid.Throughput(speeds, loads, 1))
		}
		if most > bound*(1+1e-9) {
			t.Fatalf("an assignment holds %v, more than the bound, %v", most, bound)
		}
	}
}

// TestAnalyticSplitReachesTheBound, on small populations of keys and large ones.
func TestAnalyticSplitReachesTheBound(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 8))
	for _, keys := range []int{3, 10, 100, 10_000} {
		for _, workers := range []int{2, 4, 16, 64} {
			for _, exponent := range []float64{0.8, 1.5, 2.5} {
				speeds := make([]float64, workers)
				for w := range speeds {
					speeds[w] = 0.5 + rng.Float64()
				}
				space := fluid.ZipfKeys(keys, exponent, policy.SlotCount(workers))
				got := fluid.Throughput(speeds, fluid.ExpectedLoads(AnalyticSplit(space, speeds), space, nil), 1)
				if bound := fluid.Bound(speeds, 1); got < 0.99*bound || got > bound*(1+1e-9) {
					t.Errorf("%d keys of exponent %v on %d workers: %.4f of the bound", keys, exponent, workers, got/bound)
				}
			}
		}
	}
}

// TestNoPartitionerBeatsTheBound measures them all on a job with unequal workers; a
// search ends a tolerance, the slack and some chance above the truth at most.
func TestNoPartitionerBeatsTheBound(t *testing.T) {
	names := registry.Names()
	if testing.Short() {
		names = []string{"hash", "wchoices", "waterfill"}
	}
	c := Default()
	c.LatencyAt = nil
	for _, name := range names {
		e := job(func(e *config.Experiment) {
			e.Partitioner.Name = name
			e.Job.Speeds = engine.Speeds{Kind: "uniform", Low: 0.7, High: 1.3}
		})
		r := measure(t, e, c)
		if r.Held > 1.02*r.Bounds.Fluid || r.Held < 0.1*r.Bounds.Fluid {
			t.Errorf("%s holds %.3f of the bound", name, r.Held/r.Bounds.Fluid)
		}
		t.Logf("%-16s %.3f of the bound, %.3f of the analytic split", name, r.Held/r.Bounds.Fluid, r.Held/r.Bounds.Analytic)
	}
}

// The bound with state is where records and one partial result per key and slide fill the
// workers' time.
func TestStateBound(t *testing.T) {
	const keys, emit = 100, 4e-3
	e := job(func(e *config.Experiment) {
		e.Source.Keys, e.Source.Exponent = keys, 0 // all of them in every slide
		e.Job.Costs.Emit = 1000 * time.Microsecond
		e.Job.StateRatio = 4
		e.Job.Window = e.Job.Slide
	})
	b, err := BoundsOf(e, nil, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	if want := (4 - keys*emit/e.Job.Slide.Seconds()) / 1e-3; math.Abs(b.State-want) > 0.005*want || b.Fluid != 4000 || b.Least() != b.State {
		t.Errorf("%.0f records/s, want %.0f of %.0f", b.State, want, b.Fluid)
	}
	e.Job.StateRatio = 0.001
	if b, err = BoundsOf(e, nil, 0, 1); err != nil || b.State != 0 || b.Least() != 4000 {
		t.Errorf("cheap state bounds a job by %v, error %v", b.State, err)
	}
}

// Of workers that change, the bound is that of their mean speeds in the measured windows.
func TestBoundsOfChangingSpeeds(t *testing.T) {
	e := job(func(e *config.Experiment) {
		e.Job.Speeds.Change = engine.SpeedChange{Walk: 0.02, Jump: 0.1, Low: 0.5, High: 1}
	})
	const from, to = 5, 15
	want := make([]float64, e.Job.Workers)
	sum := 0.0
	for w, c := range e.Job.Speeds.Trajectories(e.Job.Workers, e.Seed) {
		for n := range to {
			if v := c.At(int64(n)); n >= from {
				want[w] += v / (to - from)
			}
		}
		sum += want[w]
	}
	b, err := BoundsOf(e, nil, from, to)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, b.Speeds, cmpopts.EquateApprox(1e-12, 0)); d != "" || math.Abs(b.Fluid-1000*sum) > 1e-6 {
		t.Errorf("%.3f records/s, want %.3f; speeds (-want +got):\n%s", b.Fluid, 1000*sum, d)
	}
}

package filter

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/policy/scenario"
)

// newFilter is a filter with the named inputs as they are.
func newFilter(workers int, inputs ...string) (*Filter, error) {
	in, err := NewInputs(inputs, nil, nil)
	return New(workers, in), err
}

// measuredOf is a window of exact measurements; seen nil is share.
func measuredOf(share, seen, busy []float64) scenario.Measured {
	if seen == nil {
		seen = share
	}
	return scenario.Measured{Share: share, Seen: seen, Busy: busy, Queue: make([]float64, len(share))}
}

// Two workers, worked out by hand. Seen shares 0.5 and 0.5 at busy ratios 0.4 and 0.8
// say that the first is twice as fast: inst is log(1/0.4) and log(1/0.8), less their
// mean ±log(2)/2.
func TestFeatures(t *testing.T) {
	s, err := newFilter(2, InputNames()...)
	if err != nil {
		t.Fatal(err)
	}
	half := math.Ln2 / 2
	m := measuredOf([]float64{0.25, 0.75}, []float64{0.5, 0.5}, []float64{0.4, 0.8})
	m.Queue, m.Age = []float64{0, 0.3}, 2
	approx := cmpopts.EquateApprox(0, 1e-6)
	if !s.Observe(&m) {
		t.Fatal("nothing was measured")
	}
	want := []float32{
		// innovation, surprise, busy, saturated, lag, change, estimate, busiest, queue,
		// ratio, load, workers, age, calm, contrast, missed
		float32(half), float32(half), 0.4, 0, float32(math.Log(0.5)), float32(math.Log(2)), 0, 0.8, 0,
		float32(half / (half + 0.01)), 0.6, float32(math.Ln2), 2, float32(math.Log(half + 0.001)), float32(half / (half + 0.001)), 0,
		float32(-half), float32(half), 0.8, 0, float32(math.Log(1.5)), float32(math.Log(2. / 3)), 0, 0.8, 0.3,
		float32(-half / (half + 0.01)), 0.6, float32(math.Ln2), 2, float32(math.Log(half + 0.001)), float32(-half / (half + 0.001)), 0,
	}
	if d := cmp.Diff(want, s.Features(), approx); d != "" {
		t.Errorf("features:\n%s", d)
	}
	// Gains (1+0)/2 and (1+1)/2, corrections 0.15 and 0; then the mean goes out.
	if err := s.Apply([]float32{0, 0.5, 1, 0}); err != nil {
		t.Fatal(err)
	}
	e := []float64{half/2 + 0.15, -half}
	mean := (e[0] + e[1]) / 2
	if d := cmp.Diff([]float64{e[0] - mean, e[1] - mean}, s.Estimate(), approx); d != "" {
		t.Errorf("estimate:\n%s", d)
	}
	ratio := math.Exp(e[0] - e[1])
	if d := cmp.Diff([]float64{ratio / (1 + ratio), 1 / (1 + ratio)}, s.Capacities(make([]float64, 2)), approx); d != "" {
		t.Errorf("capacity:\n%s", d)
	}
	// The second worker saturated: its estimate of -0.27 was of the window before.
	m.Busy[1] = 1
	before := s.Estimate()[1]
	s.Observe(&m)
	if f := s.Features()[len(InputNames()):]; f[3] != 1 || math.Abs(float64(f[6])-before) > 1e-6 || math.Abs(float64(f[4])-(math.Log(1.5)-before)) > 1e-6 {
		t.Errorf("features of a saturated worker: %v", f)
	}
	// A subset of the inputs, in another order.
	few, err := newFilter(2, "queue", "busy")
	if err != nil {
		t.Fatal(err)
	}
	few.Observe(&m)
	if d := cmp.Diff([]float32{0, 0.4, 0.3, 1}, few.Features()); d != "" {
		t.Errorf("two features:\n%s", d)
	}
}

func TestRefuses(t *testing.T) {
	for _, inputs := range [][]string{{"innovation", "speed"}, {"busy", "busy"}} {
		if _, err := newFilter(2, inputs...); err == nil {
			t.Errorf("inputs %v are taken", inputs)
		}
	}
	s, err := newFilter(2, InputNames()...)
	if err != nil {
		t.Fatal(err)
	}
	m := measuredOf([]float64{0.5, 0.5}, nil, []float64{0.2, 0.9})
	s.Observe(&m)
	for _, a := range [][]float32{nil, {0, 0}, {0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 2}, {0, 0, 0, float32(math.NaN())}, {0, 0, 1.01, 0}, {0, float32(math.Inf(-1)), 0, 0}} {
		if err := s.Apply(a); err == nil || s.Estimate()[0] != 0 {
			t.Errorf("action %v: %v, estimate %v", a, err, s.Estimate())
		}
	}
}

// A hedge moves shares for a window and estimates not at all.
func TestHedge(t *testing.T) {
	s, err := newFilter(2, InputNames()...)
	if err != nil {
		t.Fatal(err)
	}
	m := measuredOf([]float64{0.5, 0.5}, nil, []float64{0.4, 0.4})
	s.Observe(&m)
	approx := cmpopts.EquateApprox(0, 1e-7)
	for _, c := range []struct {
		why    string
		action []float32
		ratio  float64 // of the shares, in the log
	}{
		{"less for the second", []float32{0, 0, 0, 0, 0, -0.5}, 0.3},
		{"only differences count", []float32{0, 0, 1, 0, 0, 1}, 0},
		{"as much as there may be", []float32{0, 0, 1, 0, 0, -1}, 1.2},
	} {
		if err := s.Apply(c.action); err != nil {
			t.Fatal(err)
		}
		share := s.Capacities(make([]float64, 2))
		if d := cmp.Diff(c.ratio, math.Log(share[0]/share[1]), approx); d != "" {
			t.Errorf("%s:\n%s", c.why, d)
		}
		if d := cmp.Diff([]float64{0, 0}, s.Estimate()); d != "" {
			t.Errorf("%s: estimate\n%s", c.why, d)
		}
	}
	// Of a worker that was not measured nothing new is known: its hedge stays.
	m.Busy = []float64{0.4, math.NaN()}
	s.Observe(&m)
	if err := s.Apply([]float32{0, 0, 0, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	if share := s.Capacities(make([]float64, 2)); math.Abs(math.Log(share[0]/share[1])-0.6) > 1e-7 {
		t.Errorf("shares %v, where the second's hedge was -0.6", share)
	}
	s.Reset()
	if share := s.Capacities(make([]float64, 2)); share[0] != 0.5 {
		t.Errorf("shares %v of a new job", share)
	}
}

// A worker of which nothing is known keeps its estimate relative to the others, whose
// innovations are compared among themselves.
func TestUnmeasured(t *testing.T) {
	for _, c := range []struct {
		why  string
		busy float64
		seen float64
	}{
		{"missing", math.NaN(), 1. / 3},
		{"idle", 0, 1. / 3},
		{"a count that is none", 0.5, -1},
		{"an infinite busy ratio", math.Inf(1), 1. / 3},
	} {
		s, err := newFilter(3, InputNames()...)
		if err != nil {
			t.Fatal(err)
		}
		m := measuredOf([]float64{1. / 3, 1. / 3, 1. / 3}, []float64{1. / 3, 1. / 3, c.seen}, []float64{0.3, 0.6, c.busy})
		if !s.Observe(&m) || s.Measured(2) || !s.Measured(0) {
			t.Errorf("%s: measured %v %v", c.why, s.Measured(0), s.Measured(2))
		}
		if f := s.Features()[2*len(InputNames()):]; f[0] != 0 || f[5] != 0 || f[9] != 0 || f[14] != 0 || slices.ContainsFunc(f, func(v float32) bool { return v != v }) {
			t.Errorf("%s: features %v", c.why, f)
		}
		if err := s.Apply([]float32{1, 0, 1, 0, 1, 1}); err != nil {
			t.Fatal(err)
		}
		half := math.Ln2 / 2
		if d := cmp.Diff([]float64{half, -half, 0}, s.Estimate(), cmpopts.EquateApprox(0, 1e-12)); d != "" {
			t.Errorf("%s: estimate\n%s", c.why, d)
		}
		m.Busy = []float64{math.NaN(), 0, math.Inf(1)}
		if s.Observe(&m) {
			t.Errorf("%s: something was measured where nothing was", c.why)
		}
		if d := cmp.Diff([]float64{1, 1, 2}, s.Missed()); d != "" {
			t.Errorf("%s: windows missed:\n%s", c.why, d)
		}
		m = measuredOf([]float64{1. / 3, 1. / 3, 1. / 3}, nil, []float64{0.3, 0.6, 0.4})
		s.Observe(&m)
		at := slices.Index(InputNames(), "missed")
		for w, n := range []float64{1, 1, 2} {
			if got := s.Features()[w*len(InputNames())+at]; math.Abs(float64(got)-math.Log1p(n)) > 1e-6 {
				t.Errorf("%s: worker %d missed %v windows, the input says %v", c.why, w, n, got)
			}
		}
		if d := cmp.Diff([]float64{0, 0, 0}, s.Missed()); d != "" {
			t.Errorf("%s: windows missed after a measurement:\n%s", c.why, d)
		}
	}
}

// What the network's outputs of all measured workers have in common moves no worker: neither
// the measured ones, relative to each other, nor those that were not measured.
func TestCommonModeMovesNoEstimate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := rapid.IntRange(1, 9).Draw(t, "workers")
		hedge := rapid.Bool().Draw(t, "hedge")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		a := [2]*Filter{New(workers, Inputs{}), New(workers, Inputs{})} // the second's outputs have something in common on top
		common := []float32{0, float32(rng.Float64() - 0.5), float32(rng.Float64() - 0.5)}
		estimates := func(f *Filter) []float64 { return append(slices.Clone(f.Estimate()), f.Hedge()...) }
		for range 5 {
			m := measuredOf(make([]float64, workers), nil, make([]float64, workers))
			for w := range workers {
				m.Share[w], m.Busy[w] = 1/float64(workers), 0.2+0.6*rng.Float64()
				if rng.IntN(3) == 0 {
					m.Busy[w] = math.NaN()
				}
			}
			before := estimates(a[0])
			n := Actions(hedge)
			own, shifted := make([]float32, workers*n), make([]float32, workers*n)
			for i := range own {
				own[i] = float32(rng.Float64() - 0.5)
				shifted[i] = own[i] + common[i%n]
			}
			for i, action := range [][]float32{own, shifted} {
				if a[i].Observe(&m) {
					if err := a[i].Apply(action); err != nil {
						t.Fatal(err)
					}
				}
			}
			if d := cmp.Diff(estimates(a[0]), estimates(a[1]), cmpopts.EquateApprox(0, 1e-6)); d != "" {
				t.Fatalf("without and with a common output:\n%s", d)
			}
			sum := 0.0
			for w, e := range a[0].Estimate() {
				sum += e
				if m.Busy[w] != m.Busy[w] && (before[w] != e || before[workers+w] != a[0].Hedge()[w]) {
					t.Fatalf("worker %d was not measured, and its estimate goes from %v to %v", w, before[w], e)
				}
			}
			if math.Abs(sum) > 1e-9 {
				t.Fatalf("estimates of mean %v", sum/float64(workers))
			}
		}
	})
}

// Few records count for little, unless it is little that says much: a worker that
// finished none in a second in which 300 were to be expected is slow.
func TestFewRecords(t *testing.T) {
	of := func(records float64, seen, busy []float64) float64 {
		s, err := newFilter(len(seen), InputNames()...)
		if err != nil {
			t.Fatal(err)
		}
		m := measuredOf(seen, nil, busy)
		m.Records = records
		s.Observe(&m)
		return float64(s.Features()[0])
	}
	seen, busy := []float64{0.4, 0.6}, []float64{0.5, 0.5}
	exact := of(0, seen, busy)
	if got := of(1e9, seen, busy); math.Abs(got/exact-1) > 1e-6 {
		t.Errorf("of a billion records the innovation is %v, exactly %v", got, exact)
	}
	// 30 of 60 records expected, 24 seen.
	if got := of(60, seen, busy); math.Abs(got/exact-0.5) > 1e-6 {
		t.Errorf("of 60 records the innovation is %v, exactly %v", got, exact)
	}
	slow := []float64{0.001, 0.999}
	if got := of(600, slow, []float64{0.5, 0.5}); math.Abs(got/of(0, slow, []float64{0.5, 0.5})-300./330) > 1e-6 {
		t.Errorf("a worker with 300 records expected and 0.6 seen has an innovation of %v", got)
	}
}

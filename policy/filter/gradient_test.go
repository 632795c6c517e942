package filter

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// run is a rollout under given observations and actions, with a loss that depends on all
// that the filter computes: on log capacities and on the network's inputs.
type run struct {
	inputs       Inputs
	observations []Observation
	actions      [][]float32 // [T] [P,A]
	start        []float64   // estimates before the first window

	byLog    [][]float64 // [T] [P] weights of the log capacities
	byInputs [][]float32 // [T] [P,I]
}

func newRun(rng *rand.Rand, workers, windows int, hedge, unmeasured bool) *run {
	normals := func(n int, scale float64) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = scale * rng.NormFloat64()
		}
		return v
	}
	r := &run{start: normals(workers, 0.3)}
	r.inputs, _ = TrainingInputs(InputNames())
	for t := range windows {
		o := Observation{Speed: normals(workers, 0.3), Share: normals(workers, 0.3), Change: normals(workers, 0.1), Seen: make([]float64, workers), Busy: normals(workers, 0.1)}
		for w := range o.Busy {
			o.Busy[w] += 0.6
			if unmeasured && (rng.IntN(4) == 0 || t == 1) { // in the second window no worker is measured
				o.Speed[w] = math.NaN()
			}
		}
		action, inputs := make([]float32, workers*Actions(hedge)), make([]float32, workers*r.inputs.Len())
		for i := range action {
			action[i] = 1.6*rng.Float32() - 0.8
		}
		for i := range inputs {
			// The network holds the memory of an unmeasured worker, so that its inputs count
			// for nothing.
			if v := o.Speed[i/r.inputs.Len()]; v == v {
				inputs[i] = float32(0.1 * rng.NormFloat64())
			}
		}
		r.observations, r.actions = append(r.observations, o), append(r.actions, action)
		r.byLog, r.byInputs = append(r.byLog, normals(workers, 1)), append(r.byInputs, inputs)
	}
	return r
}

func (r *run) forward(roll *Rollout) (loss float64) {
	workers := len(r.start)
	roll.Reset(workers, len(r.actions)+1)
	copy(roll.Steps[0].Estimate, r.start)
	x, log, soft := make([]float32, workers*r.inputs.Len()), make([]float64, workers), make([]float64, workers)
	for t, action := range r.actions {
		s := &roll.Steps[t]
		s.Observe(&r.observations[t], &r.inputs, x)
		for i, v := range x {
			loss += float64(r.byInputs[t][i]) * float64(v)
		}
		s.Apply(action)
		roll.Steps[t+1].LogCapacities(log)
		Capacities(log, soft, log)
		for w, v := range log {
			loss += r.byLog[t][w] * math.Log(v)
		}
	}
	return loss
}

// TestGradient: gradients agree with finite differences of the loss, with
// respect to the first estimates, to actions and to observations. Where a step crosses a
// kink (an innovation of 0, another busiest worker) the differences of two widths disagree,
// and the number is left out.
func TestGradient(t *testing.T) {
	for _, c := range []struct {
		why               string
		workers           int
		hedge, unmeasured bool
	}{
		{"gain and correction", 4, false, false},
		{"with hedges", 5, true, false},
		{"with unmeasured workers and windows", 6, true, true},
		{"a single worker", 1, true, false},
	} {
		rng := rand.New(rand.NewPCG(7, uint64(c.workers)))
		r := newRun(rng, c.workers, 6, c.hedge, c.unmeasured)
		var roll, other Rollout
		r.forward(&roll)
		var g Gradient
		g.Reset(c.workers, true)
		checked, off := 0, 0
		compare := func(what string, window, at int, move func(d float64), got float64) {
			slope := func(d float64) float64 {
				move(d)
				up := r.forward(&other)
				move(-2 * d)
				down := r.forward(&other)
				move(d)
				return (up - down) / (2 * d)
			}
			wide, narrow := slope(4e-3), slope(2e-3)
			if math.Abs(wide-narrow) > 2e-3+0.02*math.Abs(narrow) {
				return
			}
			checked++
			if best := narrow + (narrow-wide)/3; math.Abs(got-best) > 4e-3+0.01*math.Abs(best) {
				off++
				t.Errorf("%s: %s %d of window %d: gradient %v, differences say %v", c.why, what, at, window, got, best)
			}
		}
		moved := func(v []float64, at int) func(float64) { return func(d float64) { v[at] += d } }
		for n := len(r.actions) - 1; n >= 0; n-- {
			log, soft := make([]float64, c.workers), make([]float64, c.workers)
			roll.Steps[n+1].LogCapacities(log)
			Capacities(log, soft, log)
			by := slices.Clone(r.byLog[n])
			CapacitiesBack(soft, log, by)
			for w, v := range by {
				g.Estimate[w] += v
				g.Hedge[w] += v
			}
			byAction := make([]float32, len(r.actions[n]))
			roll.Steps[n].ApplyBack(&g, byAction)
			roll.Steps[n].ObserveBack(&g, &r.inputs, r.byInputs[n])
			for i, v := range byAction {
				compare("action", n, i, func(d float64) { r.actions[n][i] += float32(d) }, float64(v))
			}
			o := &r.observations[n]
			for w := range c.workers {
				for what, v := range map[string][2][]float64{"speed": {o.Speed, g.Speed}, "share": {o.Share, g.Share}, "change": {o.Change, g.Change}, "busy": {o.Busy, g.Busy}} {
					if o.Speed[w] == o.Speed[w] {
						compare(what, n, w, moved(v[0], w), v[1][w])
					}
				}
			}
		}
		for w := range r.start {
			compare("estimate", 0, w, moved(r.start, w), g.Estimate[w])
		}
		if all := len(r.actions) * c.workers; checked < 2*all {
			t.Errorf("%s: only %d numbers checked", c.why, checked)
		}
	}
}

// The limit on small capacities has its own kink: below it a capacity does not move with
// its logarithm.
func TestCapacitiesBack(t *testing.T) {
	z := []float64{0, 1, -6, 0.5}
	by := []float64{1, -2, 3, 0.5}
	value := func() (sum float64) {
		soft, capacity := make([]float64, 4), make([]float64, 4)
		Capacities(z, soft, capacity)
		for w, v := range capacity {
			sum += by[w] * math.Log(v)
		}
		return sum
	}
	soft, capacity, got := make([]float64, 4), make([]float64, 4), slices.Clone(by)
	Capacities(z, soft, capacity)
	if want := 0.02 / 4; math.Abs(capacity[2]/want-1) > 0.02 {
		t.Errorf("the smallest capacity is %v, want about %v", capacity[2], want)
	}
	CapacitiesBack(soft, capacity, got)
	for w := range z {
		const d = 1e-5
		z[w] += d
		up := value()
		z[w] -= 2 * d
		down := value()
		z[w] += d
		if want := (up - down) / (2 * d); math.Abs(got[w]-want) > 1e-6 {
			t.Errorf("worker %d: gradient %v, differences say %v", w, got[w], want)
		}
	}
}

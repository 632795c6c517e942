package learned

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/scenario"
)

// A bound for scenarios with delayed reports (docs/algorithms.md, "The scenarios"). The best
// possible policy knows the speeds of Delay windows ago without noise, and the distribution
// of their changes since then. It chooses the capacities with the least expected imbalance
// in the next window. That is a convex optimisation over samples
// of possible speeds. Its optimum over the samples lies, on average, below what can be
// reached. The capacities that it finds, scored on other samples, lie above.

// bound is what policies without noise reach, as means of expected imbalances.
type bound struct {
	below, above float64 // what the least possible lies between
	plain        float64 // of shares in proportion to the speeds last seen
}

// hidden is a scenario with what its speeds are made of.
type hidden struct {
	*scenario.Scenario
	walk, level []float64 // [T,P]
	step, jump  float64
	to          [2]float64
}

// uncover draws a scenario as scenario.New does, keeping what that forgets.
func uncover(c scenario.Config, workers int, seed uint64) *hidden {
	rng := rand.New(rand.NewPCG(seed, 0x5ce0a710))
	between := func(r [2]float64) float64 { return r[0] + rng.Float64()*(r[1]-r[0]) }
	h := &hidden{Scenario: scenario.New(c, workers, seed), to: c.JumpTo}
	between(c.Utilisation)
	between(c.Noise)
	rng.IntN(c.Delay[1] - c.Delay[0] + 1)
	spread := between(c.Spread)
	h.step, h.jump = between(c.Walk), between(c.Jump)
	rng.Float64() // pressure
	walk, level := make([]float64, workers), make([]float64, workers)
	for w := range walk {
		walk[w] = math.Log(1 + spread*(2*rng.Float64()-1))
	}
	for t := range c.Windows {
		for w := range walk {
			if t > 0 {
				walk[w] += h.step * rng.NormFloat64()
			}
			if rng.Float64() < h.jump {
				level[w] = math.Log(between(c.JumpTo))
			}
			rng.NormFloat64() // noise
		}
		h.walk, h.level = append(h.walk, walk...), append(h.level, level...)
	}
	return h
}

// later sets slow, [M,P], to samples of 1/speed the given number of windows after window u.
func (h *hidden) later(slow []float64, u, windows int, rng *rand.Rand) {
	p := h.Workers
	stays := math.Pow(1-h.jump, float64(windows))
	for i := range slow {
		walk, level := h.walk[u*p+i%p], h.level[u*p+i%p]
		walk += h.step * math.Sqrt(float64(windows)) * rng.NormFloat64()
		if rng.Float64() >= stays {
			level = math.Log(h.to[0] + rng.Float64()*(h.to[1]-h.to[0]))
		}
		slow[i] = math.Exp(-walk - level)
	}
}

// bounds takes windows of a scenario at equal distances, after the first 8.
func (h *hidden) bounds(samples, steps, every int, rng *rand.Rand) (b bound) {
	p, n := h.Workers, 0.0
	slow, fresh := make([]float64, samples*p), make([]float64, samples*p)
	for t := scenario.FirstWindows - 1; t < h.Windows-1; t += every {
		u := h.Routed(t)
		h.later(slow, u, t+1-u, rng)
		h.later(fresh, u, t+1-u, rng)
		logs := make([]float64, p)
		for w := range logs {
			logs[w] = h.walk[u*p+w] + h.level[u*p+w]
		}
		b.plain += expected(logs, fresh, nil)
		least(logs, slow, steps)
		b.below += expected(logs, slow, nil)
		b.above += expected(logs, fresh, nil)
		n++
	}
	return bound{b.below / n, b.above / n, b.plain / n}
}

// expected is the mean imbalance max/mean - 1 of log shares over the samples slow, and
// sets grad, unless nil, to its gradient.
func expected(logs, slow, grad []float64) float64 {
	p := len(logs)
	share, time := make([]float64, p), make([]float64, p)
	for w, l := range logs {
		share[w] = math.Exp(l)
	}
	clear(grad)
	total, n := 0.0, float64(len(slow)/p)
	for row := range slices.Chunk(slow, p) {
		sum, most, at := 0.0, 0.0, 0
		for w, s := range row {
			time[w] = share[w] * s
			sum += time[w]
			if time[w] > most {
				most, at = time[w], w
			}
		}
		r := most / sum * float64(p) / n
		total += r
		if grad != nil {
			grad[at] += r
			for w, v := range time {
				grad[w] -= r * v / sum
			}
		}
	}
	return total - 1
}

// least moves log shares to where the expected imbalance is least, by Adam with a step
// that falls; the end is the mean over the last third.
func least(logs, slow []float64, steps int) {
	p := len(logs)
	grad, first, second, mean := make([]float64, p), make([]float64, p), make([]float64, p), make([]float64, p)
	tail := steps * 2 / 3
	for i := range steps {
		expected(logs, slow, grad)
		rate := 0.0005 + 0.03*(1-float64(i)/float64(steps))
		n := float64(i + 1)
		for w, g := range grad {
			first[w] = 0.9*first[w] + 0.1*g
			second[w] = 0.99*second[w] + 0.01*g*g
			logs[w] -= rate * first[w] / (1 - math.Pow(0.9, n)) / (math.Sqrt(second[w]/(1-math.Pow(0.99, n))) + 1e-4)
			if i >= tail {
				mean[w] += logs[w] / float64(steps-tail)
			}
		}
	}
	copy(logs, mean)
}

// TestPoliciesAreBounded shows what bounds the built-in policy (docs/capacity.md). Without
// noise, and knowing everything but the future, most of its imbalance at 64 workers
// remains, and more than half at 8. No hedge lowers that by more than a few per cent.
func TestPoliciesAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of optimisations")
	}
	t.Parallel()
	c, err := checkpoint.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []struct {
		workers, scenarios, samples int
		low, high                   float64 // the bound lies between
	}{{8, 96, 400, 0.038, 0.048}, {64, 16, 600, 0.17, 0.24}, {200, 10, 1000, 0.35, 0.60}} {
		capacity, err := NewCapacityPolicy(c, p.workers)
		if err != nil {
			t.Fatal(err)
		}
		var b bound
		builtin := 0.0
		n := float64(p.scenarios)
		late := scenario.Default()
		late.Reports = 1
		for i := range p.scenarios {
			seed := uint64(1_000_000 + i)
			h := uncover(late, p.workers, seed)
			checkSpeeds(t, h)
			got := h.bounds(p.samples, 150, 14, rand.New(rand.NewPCG(seed, 99)))
			b.below, b.above, b.plain = b.below+got.below/n, b.above+got.above/n, b.plain+got.plain/n
			score, err := scenario.ScoreOf(capacity, h.Scenario)
			if err != nil {
				t.Fatal(err)
			}
			builtin += score.After / n
		}
		// Shares by the speeds last seen may be hedged ones, too.
		b.above = min(b.above, b.plain)
		t.Logf("%d workers: the least possible is between %.4f and %.4f, %.4f by the speeds last seen; the built-in policy, which has noise to see through, %.4f",
			p.workers, b.below, b.above, b.plain, builtin)
		if !(b.below <= b.above && p.low < b.below && b.above < p.high) {
			t.Errorf("%d workers: the bound, %.4f to %.4f, is not within %v to %v", p.workers, b.below, b.above, p.low, p.high)
		}
		if b.plain > 1.04*b.above {
			t.Errorf("%d workers: hedges take %.4f down to %.4f; that is more than was thought", p.workers, b.plain, b.above)
		}
		if builtin < b.below {
			t.Errorf("%d workers: the built-in policy has %.4f, below what can be reached, %.4f", p.workers, builtin, b.below)
		}
	}
}

// checkSpeeds checks that walk and level, as redrawn here, give the scenario's speeds.
func checkSpeeds(t *testing.T, h *hidden) {
	t.Helper()
	for n := range h.Windows {
		at, sum := n*h.Workers, 0.0
		for w := range h.Workers {
			sum += math.Exp(h.walk[at+w] + h.level[at+w])
		}
		for w, v := range h.SpeedsAt(n) {
			if want := math.Exp(h.walk[at+w]+h.level[at+w]) * float64(h.Workers) / sum; math.Abs(v-want) > 1e-9 {
				t.Fatalf("window %d, worker %d: speed %v, of walk and level %v", n, w, v, want)
			}
		}
	}
}

// The optimum is found where it is known, for two workers of which one may be half as fast.
// The gradient agrees with difference quotients.
func TestLeastImbalance(t *testing.T) {
	slow := []float64{1, 1, 1, 2, 1, 2, 1, 2}
	logs := []float64{0, 0}
	least(logs, slow, 400)
	got, best := expected(logs, slow, nil), math.Inf(1)
	for d := -1.0; d < 1; d += 0.001 {
		best = min(best, expected([]float64{d, 0}, slow, nil))
	}
	if got > best+0.002 {
		t.Errorf("it finds %.4f, a search %.4f", got, best)
	}
	grad, at, h := make([]float64, 2), []float64{0.3, -0.1}, 1e-6
	expected(at, slow, grad)
	for w := range at {
		up, down := slices.Clone(at), slices.Clone(at)
		up[w], down[w] = up[w]+h, down[w]-h
		if quotient := (expected(up, slow, nil) - expected(down, slow, nil)) / (2 * h); math.Abs(quotient-grad[w]) > 1e-6 {
			t.Errorf("worker %d: gradient %v, difference quotient %v", w, grad[w], quotient)
		}
	}
}

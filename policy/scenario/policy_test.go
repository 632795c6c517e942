package scenario

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestScenarioIsWhatItSays(t *testing.T) {
	c := Default()
	delays := map[int]bool{}
	jumps, windows := 0, 0
	for seed := range uint64(200) {
		s := New(c, 8, seed)
		if d := cmp.Diff(s, New(c, 8, seed)); d != "" {
			t.Fatalf("the same seed gives another scenario:\n%s", d)
		}
		delays[s.Delay] = true
		if s.Utilisation < 0.5 || s.Utilisation > 0.95 || s.Sigma < 0.01 || s.Sigma > 0.15 || s.Pressure {
			t.Fatalf("seed %d: utilisation %v, sigma %v, pressure %v", seed, s.Utilisation, s.Sigma, s.Pressure)
		}
		for at := range s.Windows {
			sum := 0.0
			for w, v := range s.SpeedsAt(at) {
				sum += v
				if at > 0 && math.Abs(math.Log(v/s.SpeedsAt(at - 1)[w])) > 0.25 {
					jumps++
				}
			}
			windows += s.Workers
			if math.Abs(sum-8) > 1e-9 {
				t.Fatalf("seed %d, window %d: the speeds sum to %v", seed, at, sum)
			}
		}
	}
	// A jump has a probability of 0.004 on average; about half are larger than a fourth,
	// and a step of the walk hardly ever is.
	if rate := float64(jumps) / float64(windows); rate < 0.001 || rate > 0.004 {
		t.Errorf("%.4f jumps per worker and window", rate)
	}
	if len(delays) != 4 {
		t.Errorf("delays %v", delays)
	}
}

// What some scenarios have of a real job leaves the others as they are.
func TestScenarioLikeAJob(t *testing.T) {
	plain, c := Default(), Default()
	c.Job = JobLike{
		Part: 0.5, Noise: [2]float64{0.2, 0.3}, Steady: 0.5, Walk: [2]float64{0.03, 0.03},
		Start: [2]float64{1, 1}, Lumps: [2]float64{0.05, 0.05}, Chance: [2]float64{0.1, 0.1},
	}
	c.Jump, plain.Jump = [2]float64{}, [2]float64{}
	like, steady, lumps, chance, start, walk := 0, 0, 0.0, 0.0, 0.0, 0.0
	const workers = 8
	equal, force, got := make([]float64, workers), make([]float64, workers), make([]float64, workers)
	for w := range equal {
		equal[w] = 1. / workers
	}
	deviation := func(a, b []float64) float64 { // of the logarithms of a and b from each other
		sum, square := 0.0, 0.0
		for w := range a {
			d := math.Log(a[w] / b[w])
			sum += d / workers
			square += d * d / workers
		}
		return (square - sum*sum) * workers / (workers - 1)
	}
	const scenarios = 200
	for seed := range uint64(scenarios) {
		s := New(c, workers, seed)
		if s.Start == nil {
			if d := cmp.Diff(New(plain, workers, seed), s); d != "" {
				t.Fatalf("seed %d: a scenario that is not like a job changed:\n%s", seed, d)
			}
			continue
		}
		like++
		if s.Delay != 0 || !s.Pressure || s.Sigma < 0.2 {
			t.Fatalf("seed %d: delay %d, pressure %v, sigma %v", seed, s.Delay, s.Pressure, s.Sigma)
		}
		if cmp.Equal(s.SpeedsAt(0), s.SpeedsAt(s.Windows-1)) {
			steady++
		} else {
			walk += deviation(s.SpeedsAt(9), s.SpeedsAt(8))
		}
		s.InForce(3, equal, force)
		lumps += deviation(force, equal)
		chance += deviation(s.Got(3, force, got), force)
		start += deviation(s.Start, equal)
		if err := checkShares(got); err != nil {
			t.Fatal(err)
		}
	}
	n := float64(like)
	if math.Abs(n/scenarios-0.5) > 0.15 || math.Abs(float64(steady)/n-0.5) > 0.15 {
		t.Errorf("%d scenarios are like a job, %d of them steady", like, steady)
	}
	for name, v := range map[string][2]float64{
		"lumps": {lumps, 0.05}, "chance": {chance, 0.1}, "start": {start, 1}, "walk": {walk * n / (n - float64(steady)), 0.03},
	} {
		if got := math.Sqrt(v[0] / n); math.Abs(got/v[1]-1) > 0.15 {
			t.Errorf("%s have a standard deviation of %.3f, not %v", name, got, v[1])
		}
	}
}

func TestScenarioBusy(t *testing.T) {
	s := &Scenario{Workers: 2, Windows: 1, Utilisation: 0.8, Delay: 2, Speeds: []float64{0.5, 1.5}, Noise: []float64{1, 1.1}}
	busy := make([]float64, 2)
	for _, c := range []struct {
		why      string
		pressure bool
		share    []float64
		want     []float64
	}{
		{"0.8*0.2*2/0.5 and 0.8*0.8*2/1.5*1.1", false, []float64{0.2, 0.8}, []float64{0.64, 0.8 * 0.8 * 2 / 1.5 * 1.1}},
		{"clipped at both ends", false, []float64{0.999, 0.001}, []float64{1, 0.01}},
		{"the first would be 1.6 busy: all is slowed by that", true, []float64{0.5, 0.5}, []float64{1, 0.8 / 1.5 * 1.1 / 1.6}},
	} {
		s.Pressure = c.pressure
		s.Busy(0, c.share, busy)
		if d := max(math.Abs(busy[0]-c.want[0]), math.Abs(busy[1]-c.want[1])); d > 1e-12 {
			t.Errorf("%s: %v, want %v", c.why, busy, c.want)
		}
	}
	// Loads per speed of 1 and 1/3 have a mean of 2/3.
	if got := s.Imbalance(0, []float64{0.5, 0.5}); math.Abs(got-0.5) > 1e-12 {
		t.Errorf("imbalance %v", got)
	}
	for _, reports := range []bool{false, true} {
		s.Reports = reports
		measured := 5 // work is late
		if reports {
			measured = 3
		}
		if s.Routed(1) != 0 || s.Routed(5) != 3 || s.Measured(5) != measured {
			t.Errorf("a delay of 2, of reports %v: at 5 busy times of window %d, of the route of window %d, and of %d at 1", reports, s.Measured(5), s.Routed(5), s.Routed(1))
		}
	}
}

// record notes what a policy is given, and answers with known capacities.
type record struct {
	busy [][]float64
	seen []float64
	age  []float64
}

func (r *record) Start(*Scenario) { *r = record{} }

func (r *record) Decide(m *Measured, share []float64) bool {
	r.busy = append(r.busy, append([]float64(nil), m.Busy...))
	r.seen = append(r.seen, m.Seen[0])
	r.age = append(r.age, m.Age)
	share[0] = 1 / float64(len(r.busy)+2)
	share[1] = 1 - share[0]
	return true
}

// The share that a busy time is of is the one shown with it, however late. Late work
// is measured at present speeds, late reports are of past ones.
func TestPoliciesSeeDelay(t *testing.T) {
	for _, reports := range []float64{0, 1} {
		c := Default()
		c.Delay, c.Reports = [2]int{2, 2}, reports
		r := &record{}
		if _, err := Evaluate(r, c, 2, []uint64{1}); err != nil {
			t.Fatal(err)
		}
		s := New(c, 2, 1)
		want := make([]float64, 2)
		for at := range s.Windows {
			routed := max(at-2, 0)
			measured := at
			if reports == 1 {
				measured = routed
			}
			share := 1 / float64(routed+2) // 1/2 at first, then what Decide answered
			s.Busy(measured, []float64{share, 1 - share}, want)
			if math.Abs(r.seen[at]-share) > 1e-12 || cmp.Diff(r.busy[at], want) != "" || r.age[at] != float64(at-measured) {
				t.Fatalf("reports %v, window %d: seen share %v and busy %v, %v windows old; want %v and %v", reports, at, r.seen[at], r.busy[at], r.age[at], share, want)
			}
		}
	}
}

type wrong struct{ value float64 }

func (w wrong) Start(*Scenario) {}
func (w wrong) Decide(_ *Measured, share []float64) bool {
	for i := range share {
		share[i] = w.value
	}
	return true
}

func TestEvaluateRefusesBadShares(t *testing.T) {
	for _, v := range []float64{math.NaN(), -0.25, 0.3, math.Inf(1)} {
		_, err := Evaluate(wrong{v}, Default(), 4, []uint64{77})
		if err == nil || !strings.Contains(err.Error(), "seed 77, window 0 of 4 workers") {
			t.Errorf("shares of %v: %v", v, err)
		}
	}
}

func TestScenarioConfigValidate(t *testing.T) {
	if c := Default(); c.Validate() != nil {
		t.Errorf("the default does not validate: %v", c.Validate())
	}
	for path, change := range map[string]func(*Config){
		"windows":        func(c *Config) { c.Windows = 0 },
		"utilisation[0]": func(c *Config) { c.Utilisation[0] = math.NaN() },
		"spread[1]":      func(c *Config) { c.Spread[1] = 1 },
		"walk[1]":        func(c *Config) { c.Walk = [2]float64{0.1, 0} },
		"jump[1]":        func(c *Config) { c.Jump[1] = 2 },
		"jump_to[0]":     func(c *Config) { c.JumpTo[0] = 0 },
		"noise[0]":       func(c *Config) { c.Noise[0] = -1 },
		"reports":        func(c *Config) { c.Reports = -0.1 },
		"job.part":       func(c *Config) { c.Job.Part = 2 },
		"job.noise[0]":   func(c *Config) { c.Job.Part = 0.1 }, // it is drawn by its logarithm
		"job.walk[1]":    func(c *Config) { c.Job.Walk = [2]float64{0, 2} },
		"job.start[1]":   func(c *Config) { c.Job.Start = [2]float64{1, 0.5} },
		"delay[1]":       func(c *Config) { c.Delay = [2]int{3, 1} },
		"pressure":       func(c *Config) { c.Pressure = 1.5 },
	} {
		c := Default()
		if change(&c); c.Validate() == nil || !strings.Contains(c.Validate().Error(), path+": ") {
			t.Errorf("%s: %v", path, c.Validate())
		}
	}
}

// The part of missing reports is as set, and so are the lengths of outages.
func TestMissing(t *testing.T) {
	for _, v := range []struct {
		part float64
		long [2]int
	}{{0.1, [2]int{1, 1}}, {0.3, [2]int{1, 1}}, {0.3, [2]int{10, 10}}, {0.6, [2]int{2, 7}}} {
		c := Default()
		c.Windows, c.Missing, c.MissingFor = 20_000, [2]float64{v.part, v.part}, v.long
		s := New(c, 4, 7)
		missing, run := 0.0, 0
		busy, share := make([]float64, 4), []float64{0.25, 0.25, 0.25, 0.25}
		for at, is := range s.Missing {
			if is {
				missing++
			}
			s.Busy(at/4, share, busy)
			if got := busy[at%4]; is != (got != got) {
				t.Fatalf("window %d: busy %v, missing %v", at/4, got, is)
			}
		}
		for at := range c.Windows {
			if s.Missing[at*4] {
				run++
				continue
			}
			if run > 0 && run < v.long[0] {
				t.Fatalf("an outage of %d windows, where %v are drawn", run, v.long)
			}
			run = 0
		}
		if got := missing / float64(len(s.Missing)); math.Abs(got/v.part-1) > 0.05 {
			t.Errorf("%v of the reports, %v at a time: %.3f are missing", v.part, v.long, got)
		}
		plain := Default()
		plain.Windows = c.Windows
		if d := cmp.Diff(New(plain, 4, 7).Speeds[:1000], s.Speeds[:1000]); d != "" {
			t.Error("missing reports change the speeds")
		}
	}
}

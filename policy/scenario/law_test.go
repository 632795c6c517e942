package scenario

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saspart/saspart/config/strict"
	"github.com/saspart/saspart/configs"
)

// steady is a law in which nothing happens, of 4,000 windows.
func steady() Config {
	c := Default()
	c.Windows, c.Spread, c.Walk, c.Jump, c.Noise, c.Delay = 4000, Range{}, Range{}, Range{}, Range{}, Count{}
	return c
}

// Each change of speeds and each kind of measurement is what its settings say.
func TestLawsAreWhatTheySay(t *testing.T) {
	const workers = 12
	fixed := func(v float64) Range { return Range{v, v} }
	logs := func(s *Scenario, w int) []float64 { // log speed, relative to the others'
		v := make([]float64, s.Windows)
		for at := range v {
			mean := 0.0
			for _, x := range s.SpeedsAt(at) {
				mean += math.Log(x) / workers
			}
			v[at] = math.Log(s.SpeedsAt(at)[w]) - mean
		}
		return v
	}
	noise := func(s *Scenario, w int) []float64 {
		v := make([]float64, s.Windows)
		for at := range v {
			v[at] = s.Noise[at*workers+w] - 1
		}
		return v
	}
	deviation := func(v []float64) float64 { return math.Sqrt(covariance(v, v)) }
	correlation := func(a, b []float64) float64 { return covariance(a, b) / deviation(a) / deviation(b) }
	for _, c := range []struct {
		why    string
		change func(*Config)
		got    func(*Scenario) float64
		want   float64
		off    float64
	}{
		{"a sine's deviation is its amplitude over the root of 2", func(c *Config) { c.Wave, c.WavePeriod = fixed(0.3), fixed(20) },
			func(s *Scenario) float64 { return deviation(logs(s, 0)) }, 0.3 / math.Sqrt2, 0.06},
		{"and repeats after its period", func(c *Config) { c.Wave, c.WavePeriod = fixed(0.3), fixed(20) },
			func(s *Scenario) float64 { v := logs(s, 0); return correlation(v[20:], v[:len(v)-20]) }, 1, 1e-6},
		{"a square wave's deviation is its amplitude", func(c *Config) { c.Wave, c.WavePeriod, c.WaveSquare = fixed(0.3), fixed(20), 1 },
			func(s *Scenario) float64 { return deviation(logs(s, 0)) }, 0.3, 0.06},
		{"drift has its deviation", func(c *Config) { c.Drift, c.DriftWindows = fixed(0.2), fixed(10) },
			func(s *Scenario) float64 { return deviation(logs(s, 0)) }, 0.2, 0.03},
		{"and its memory", func(c *Config) { c.Drift, c.DriftWindows = fixed(0.2), fixed(10) },
			func(s *Scenario) float64 { v := logs(s, 0); return correlation(v[10:], v[:len(v)-10]) }, 1 / math.E, 0.15},
		{"two of a group change together", func(c *Config) { c.Walk, c.Jump, c.Groups = fixed(0.02), fixed(0.01), Count{3, 3} },
			func(s *Scenario) float64 { return deviation(diff(logs(s, 1), logs(s, 4))) }, 0, 1e-9},
		{"two of two groups do not", func(c *Config) { c.Walk, c.Groups = fixed(0.02), Count{3, 3} },
			func(s *Scenario) float64 {
				v := diff(logs(s, 1), logs(s, 2))
				return deviation(diff(v[1:], v[:len(v)-1]))
			}, 0.02 * math.Sqrt2, 0.002},
		{"in a regime all change at once", func(c *Config) { c.Regime, c.Jump = fixed(0.05), fixed(0) },
			func(s *Scenario) float64 { return float64(changes(logs(s, 0))) }, 200, 40},
		{"one worker as often as another", func(c *Config) { c.Regime, c.Jump = fixed(0.05), fixed(0) },
			func(s *Scenario) float64 { return float64(changes(logs(s, 0)) - changes(logs(s, 5))) }, 0, 0},
		{"pauses of two windows, one in fifty, take a twenty-fifth of the time", func(c *Config) {
			c.Pause, c.PauseTo, c.PauseFor = fixed(0.02), fixed(0.1), Count{2, 2}
		}, func(s *Scenario) float64 {
			low, v := 0.0, logs(s, 0)
			for _, x := range v {
				if x < -1 {
					low++
				}
			}
			return low / float64(len(v))
		}, 0.04, 0.01},
		{"noise persists", func(c *Config) { c.Noise, c.NoisePersists = fixed(0.1), fixed(0.8) },
			func(s *Scenario) float64 { v := noise(s, 0); return correlation(v[1:], v[:len(v)-1]) }, 0.8, 0.05},
		{"with the same deviation", func(c *Config) { c.Noise, c.NoisePersists = fixed(0.1), fixed(0.8) },
			func(s *Scenario) float64 { return deviation(noise(s, 0)) }, 0.1, 0.015},
		{"a group shares its noise", func(c *Config) { c.Noise, c.NoiseShared, c.Groups = fixed(0.1), fixed(0.8), Count{3, 3} },
			func(s *Scenario) float64 { return correlation(noise(s, 1), noise(s, 4)) }, 0.8, 0.05},
		{"another does not", func(c *Config) { c.Noise, c.NoiseShared, c.Groups = fixed(0.1), fixed(0.8), Count{3, 3} },
			func(s *Scenario) float64 { return correlation(noise(s, 1), noise(s, 5)) }, 0, 0.06},
		{"of five degrees of freedom the deviation is the root of 5/3", func(c *Config) { c.Noise, c.NoiseDegrees = fixed(0.1), Count{5, 5} },
			func(s *Scenario) float64 { return deviation(noise(s, 0)) }, 0.1 * math.Sqrt(5./3), 0.02},
		{"one busy time in fifty is an outlier", func(c *Config) { c.Outlier, c.OutlierBy = fixed(0.02), fixed(0.2) },
			func(s *Scenario) float64 {
				n := 0.0
				for _, v := range noise(s, 0) {
					if v < -0.5 {
						n++
					}
				}
				return n / float64(s.Windows)
			}, 0.02, 0.008},
		{"with 100 records each, busy times vary by a tenth", func(c *Config) { c.Records = fixed(100) },
			func(s *Scenario) float64 { return deviation(noise(s, 0)) }, 0.1, 0.01},
		{"and they are counted", func(c *Config) { c.Records = fixed(100) },
			func(s *Scenario) float64 { return s.Records }, 100 * workers, 0},
		{"all workers idle for five windows report nothing in them", func(c *Config) { c.Idle, c.IdleFor = fixed(1), Count{5, 5} },
			func(s *Scenario) float64 {
				n := 0
				for _, is := range s.Missing {
					if is {
						n++
					}
				}
				return float64(n)
			}, 5 * workers, 0},
	} {
		law := steady()
		c.change(&law)
		if err := law.Validate(); err != nil {
			t.Fatalf("%s: %v", c.why, err)
		}
		if got := c.got(New(law, workers, 3)); !(math.Abs(got-c.want) <= c.off) {
			t.Errorf("%s: %.4f, want %.4f", c.why, got, c.want)
		}
	}
}

func diff(a, b []float64) []float64 {
	d := make([]float64, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
	}
	return d
}

func changes(v []float64) (n int) {
	for i := range v[1:] {
		if math.Abs(v[i+1]-v[i]) > 1e-9 {
			n++
		}
	}
	return n
}

func covariance(a, b []float64) (c float64) {
	n, ma, mb := float64(len(a)), 0.0, 0.0
	for i := range a {
		ma += a[i] / n
		mb += b[i] / n
	}
	for i := range a {
		c += (a[i] - ma) * (b[i] - mb) / n
	}
	return c
}

// The ready populations load; their laws are drawn as often as they weigh.
func TestPopulations(t *testing.T) {
	for _, name := range configs.ScenarioNames() {
		text, _ := configs.ReadScenarios(name)
		var p Population
		if _, err := strict.Load(name, text, &p, strict.Layers{}); err != nil {
			t.Error(err)
		}
		for seed := range uint64(50) {
			s := p.New(5, seed)
			if slices.ContainsFunc(append(slices.Clone(s.Speeds), s.Noise...), func(v float64) bool { return v != v || math.IsInf(v, 0) }) {
				t.Errorf("%s, seed %d: not finite", name, seed)
			}
		}
	}
	low, high := Default(), Default()
	low.Utilisation, high.Utilisation = Range{0.1, 0.1}, Range{0.9, 0.9}
	p := Population{Laws: []Law{{Name: "a", Weight: 1, Config: low}, {Name: "b", Weight: 3, Config: high}, {Name: "c", Config: Default()}}}
	n := 0
	for seed := range uint64(2000) {
		switch p.New(2, seed).Utilisation {
		case 0.9:
			n++
		case 0.1:
		default:
			t.Fatal("a law without weight was drawn")
		}
	}
	if math.Abs(float64(n)/2000-0.75) > 0.03 {
		t.Errorf("a law with three quarters of the weight was drawn %d times of 2,000", n)
	}
	// One law is drawn as New draws it.
	plain := Plain()
	if d := cmp.Diff(New(Default(), 4, 9), plain.New(4, 9)); d != "" {
		t.Error(d)
	}
}

// A file says what is wrong with it, and where.
func TestPopulationFile(t *testing.T) {
	load := func(text string) (p Population, err error) {
		_, err = strict.Load("mine.yaml", []byte(text), &p, strict.Layers{})
		return p, err
	}
	p, err := load("laws:\n  - name: a\n    noise: 0.2\n    delay: [1, 4]\n")
	want := Default()
	want.Noise, want.Delay = Range{0.2, 0.2}, Count{1, 4}
	if d := cmp.Diff(Population{Laws: []Law{{Name: "a", Weight: 1, Config: want}}}, p); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
	for text, want := range map[string]string{
		"laws: []\n": "laws: are empty",
		"laws:\n  - name: a\n    noise: [0.1, 0.2, 0.3]\n":        "mine.yaml:3: laws[0].noise: is a list: it must be a number, or a pair",
		"laws:\n  - name: a\n    delay: 0.5\n":                    "laws[0].delay",
		"laws:\n  - name: a\n    noise: [0.2, 0.1]\n":             "laws[0].noise[1]: is 0.1; it must be from 0.2",
		"laws:\n  - name: a\n    nose: 1\n":                       `did you mean "noise"?`,
		"laws:\n  - name: a\n    wave: 0.1\n":                     "laws[0].wave_period[0]: is 0; it must be from 1",
		"laws:\n  - name: a\n    pause: 0.1\n    pause_to: 0.5\n": "laws[0].pause_for[0]",
		"laws:\n  - name: a\n  - name: a\n":                       "the name of another law too",
		"laws:\n  - weight: 1\n":                                  "laws[0].name: is empty",
		"laws:\n  - name: a\n    weight: 0\n":                     "laws: have no weight",
		"laws:\n  - name: a\n  - name: b\n    windows: 32\n":      "laws[1].windows: is 32, where the first law's are 64",
	} {
		if _, err := load(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

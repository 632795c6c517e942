package engine

import (
	"math"
	"slices"
	"testing"
	"time"
)

// Speeds that change, from a draw.
func changing() Speeds {
	return Speeds{Kind: "uniform", Low: 0.8, High: 1.2, Change: SpeedChange{Walk: 0.02, Jump: 0.02, Low: 0.5, High: 1.5}}
}

// The course of each worker is its own, depends on the seed alone, does not ask who
// else there is or how often one looks, and begins with the draw.
func TestCourses(t *testing.T) {
	s := changing()
	a, b, other := s.courses(8, 1), s.courses(4, 1), s.courses(8, 2)
	first := s.Of(8, 1)
	for w := range a {
		if got := a[w].at(0); got != first[w] {
			t.Errorf("worker %d begins with %v, its draw is %v", w, got, first[w])
		}
	}
	for window := int64(1); window <= 200; window++ {
		for w := range b {
			got := a[w].at(window)
			if window%50 == 0 && b[w].at(window) != got {
				t.Errorf("window %d, worker %d: another speed where it was not asked for in between", window, w)
			}
		}
	}
	if a[0].at(200) == a[1].at(200) || a[0].at(200) == other[0].at(200) {
		t.Error("two workers, or two seeds, have the same course")
	}
	if was := a[0].at(200); a[0].at(150) != was {
		t.Error("a window of the past has another speed than the last")
	}
}

// Steps and jumps have the sizes and the frequency asked for, and a walk stays within
// its bounds for ever.
func TestCourseSizes(t *testing.T) {
	const windows = 40_000
	log := func(change SpeedChange) (logs []float64) {
		s := Speeds{Kind: "equal", Change: change}
		c := s.courses(1, 3)[0]
		for n := range windows {
			logs = append(logs, math.Log(c.at(int64(n))))
		}
		return logs
	}
	walk := log(SpeedChange{Walk: 0.01})
	squares := 0.0
	for n := range walk[1:] {
		d := walk[n+1] - walk[n]
		squares += d * d / windows
	}
	if sd := math.Sqrt(squares); math.Abs(sd-0.01) > 0.0005 {
		t.Errorf("a step has the deviation %.4f, asked for 0.01", sd)
	}
	if low, high := slices.Min(walk), slices.Max(walk); low < -mostWalk || high > mostWalk || high-low < 1 {
		t.Errorf("it walks from %v to %v; it should use all of ±%v and no more", low, high, mostWalk)
	}
	jump := log(SpeedChange{Jump: 0.05, Low: 0.5, High: 1.5})
	jumps := 0
	for n := range jump[1:] {
		if jump[n+1] != jump[n] {
			jumps++
		}
	}
	if part := float64(jumps) / windows; math.Abs(part-0.05) > 0.005 {
		t.Errorf("it jumps in %.4f of the windows, asked for 0.05", part)
	}
	if low, high := math.Exp(slices.Min(jump)), math.Exp(slices.Max(jump)); low < 0.5 || low > 0.51 || high > 1.5 || high < 1.49 {
		t.Errorf("it jumps to factors from %v to %v, asked for 0.5 to 1.5", low, high)
	}
}

func TestSpeedsThatStay(t *testing.T) {
	s := changing()
	s.Change = SpeedChange{}
	if s.courses(8, 1) != nil || s.Drift(8, 1) != nil {
		t.Error("there are courses for speeds that stay")
	}
}

func TestSpeedChangeValidate(t *testing.T) {
	for _, c := range []struct {
		why    string
		change SpeedChange
		ok     bool
	}{
		{"nothing changes", SpeedChange{}, true},
		{"a walk needs no bounds", SpeedChange{Walk: 0.02}, true},
		{"jumps with bounds", SpeedChange{Jump: 0.01, Low: 0.5, High: 1.5}, true},
		{"jumps always to one place", SpeedChange{Jump: 1, Low: 0.5, High: 0.5}, true},
		{"jumps to nowhere", SpeedChange{Jump: 0.01}, false},
		{"bounds the wrong way round", SpeedChange{Jump: 0.01, Low: 1.5, High: 0.5}, false},
		{"no probability", SpeedChange{Jump: 1.1, Low: 0.5, High: 1.5}, false},
		{"a negative step", SpeedChange{Walk: -0.1}, false},
		{"a step as large as the bounds", SpeedChange{Walk: 0.7}, false},
		{"no number", SpeedChange{Walk: math.NaN()}, false},
	} {
		config := Default()
		config.Speeds.Change = c.change
		if err := config.Validate(); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}

// In every window of sim a worker is busy with its records at its speed of then.
func TestSimChangingSpeeds(t *testing.T) {
	s := changing()
	j := newSim(t, 1000, func(setup *Setup) {
		setup.Scheme = roundRobin()
		setup.Config.Speeds = s
	})
	courses := s.courses(4, 1)
	for n := range int64(40) {
		w := nextWindow(t, j)
		for i, c := range courses {
			if want := float64(w.Counts[i]) * 1e-3 / c.at(n); math.Abs(w.Busy[i]-want) > 0.003 {
				t.Fatalf("window %d: worker %d is busy for %.4f, want %.4f", n, i, w.Busy[i], want)
			}
		}
	}
}

// And in local, but for the records around the turn of a window.
func TestLocalChangingSpeeds(t *testing.T) {
	inBubble(t, "virtual clock", func(t *testing.T) {
		c := Default()
		c.Workers, c.Partitioners = 3, 2
		c.Costs = Costs{Record: 10 * time.Microsecond}
		c.Speeds = changing()
		c.Speeds.Change.Walk, c.Speeds.Change.Jump = 0.2, 0.3
		j := mustLocal(t, steadySetup(c, fixedScheme(0), 100_000, 1))
		courses := c.Speeds.courses(c.Workers, 1)
		for n := range int64(6) {
			w := nextWindow(t, j)
			for i, course := range courses {
				want := min(1, float64(w.Counts[i])*10e-6/course.at(n)/(w.End-w.Start).Seconds())
				if math.Abs(w.Busy[i]-want) > 0.02 {
					t.Errorf("window %d: worker %d is busy for %.3f, want %.3f", n, i, w.Busy[i], want)
				}
			}
		}
	})
}

// Models in closed form have the same courses, each from its own beginning, and one that
// is restored goes on where it was.
func TestFluidChangingSpeeds(t *testing.T) {
	speeds := changing()
	c := DefaultFluid(speeds.Of(4, 1))
	c.Drift = speeds.Drift(4, 1)
	made := func() *Fluid {
		f, err := NewFluid(c)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	loads, done, busy := []float64{0.25, 0.25, 0.25, 0.25}, make([]float64, 4), make([]float64, 4)
	steps := func(f *Fluid, n int) []float64 {
		for range n {
			f.Step(loads, done, busy)
		}
		return slices.Clone(f.Speeds())
	}
	a, b := made(), made()
	steps(a, 30)
	state, err := a.State()
	if err != nil {
		t.Fatal(err)
	}
	at40 := steps(a, 10)
	for w, course := range speeds.courses(4, 1) {
		if want := course.at(39); at40[w] != want {
			t.Errorf("worker %d has the speed %v, its course %v", w, at40[w], want)
		}
	}
	if got := steps(b, 40); !slices.Equal(got, at40) {
		t.Errorf("the second model has %v, the first %v", got, at40)
	}
	if err := a.Restore(state); err != nil {
		t.Fatal(err)
	}
	if got := steps(a, 10); !slices.Equal(got, at40) {
		t.Errorf("restored it comes to %v, before to %v", got, at40)
	}
}

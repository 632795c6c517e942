package engine_test

import (
	"math"
	"slices"
	"testing"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/jobtest"
)

// The trajectory of each worker is its own, depends on the seed alone, does not ask who
// else there is or how often one looks, and begins with the draw.
func TestTrajectories(t *testing.T) {
	s := jobtest.Changing()
	a, b, other := s.Trajectories(8, 1), s.Trajectories(4, 1), s.Trajectories(8, 2)
	first := s.Of(8, 1)
	for w := range a {
		if got := a[w].At(0); got != first[w] {
			t.Errorf("worker %d begins with %v, its draw is %v", w, got, first[w])
		}
	}
	for window := int64(1); window <= 200; window++ {
		for w := range b {
			got := a[w].At(window)
			if window%50 == 0 && b[w].At(window) != got {
				t.Errorf("window %d, worker %d: another speed where it was not asked for in between", window, w)
			}
		}
	}
	if a[0].At(200) == a[1].At(200) || a[0].At(200) == other[0].At(200) {
		t.Error("two workers, or two seeds, have the same trajectory")
	}
	if was := a[0].At(200); a[0].At(150) != was {
		t.Error("a window of the past has another speed than the last")
	}
}

// Steps and jumps have the sizes and the frequency asked for, and a walk stays within
// its bounds for ever.
func TestSpeedTrajectorySizes(t *testing.T) {
	const windows = 40_000
	log := func(change engine.SpeedChange) (logs []float64) {
		s := engine.Speeds{Kind: "equal", Change: change}
		c := s.Trajectories(1, 3)[0]
		for n := range windows {
			logs = append(logs, math.Log(c.At(int64(n))))
		}
		return logs
	}
	walk := log(engine.SpeedChange{Walk: 0.01})
	squares := 0.0
	for n := range walk[1:] {
		d := walk[n+1] - walk[n]
		squares += d * d / windows
	}
	if sd := math.Sqrt(squares); math.Abs(sd-0.01) > 0.0005 {
		t.Errorf("a step has the deviation %.4f, asked for 0.01", sd)
	}
	if low, high := slices.Min(walk), slices.Max(walk); low < -math.Ln2 || high > math.Ln2 || high-low < 1 {
		t.Errorf("it walks from %v to %v; it should use all of ±%v and no more", low, high, math.Ln2)
	}
	jump := log(engine.SpeedChange{Jump: 0.05, Low: 0.5, High: 1.5})
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
	s := jobtest.Changing()
	s.Change = engine.SpeedChange{}
	if s.Trajectories(8, 1) != nil || s.Drift(8, 1) != nil {
		t.Error("there are trajectories for speeds that stay")
	}
}

func TestSpeedChangeValidate(t *testing.T) {
	for _, c := range []struct {
		why    string
		change engine.SpeedChange
		ok     bool
	}{
		{"nothing changes", engine.SpeedChange{}, true},
		{"a walk needs no bounds", engine.SpeedChange{Walk: 0.02}, true},
		{"jumps with bounds", engine.SpeedChange{Jump: 0.01, Low: 0.5, High: 1.5}, true},
		{"jumps always to one place", engine.SpeedChange{Jump: 1, Low: 0.5, High: 0.5}, true},
		{"jumps to nowhere", engine.SpeedChange{Jump: 0.01}, false},
		{"bounds the wrong way round", engine.SpeedChange{Jump: 0.01, Low: 1.5, High: 0.5}, false},
		{"no probability", engine.SpeedChange{Jump: 1.1, Low: 0.5, High: 1.5}, false},
		{"a negative step", engine.SpeedChange{Walk: -0.1}, false},
		{"a step as large as the bounds", engine.SpeedChange{Walk: 0.7}, false},
		{"no number", engine.SpeedChange{Walk: math.NaN()}, false},
	} {
		config := engine.Default()
		config.Speeds.Change = c.change
		if err := config.Validate(); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}

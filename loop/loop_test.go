package loop

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/policy"
)

// controllerFunc is a function as a controller.
type controllerFunc func(*policy.Window, *policy.Route) policy.Decision

func (f controllerFunc) Decide(w *policy.Window, latest *policy.Route) policy.Decision {
	return f(w, latest)
}

// Whatever happens to a job in whatever order, versions are never used twice and increase,
// and a controller always gets the route of the highest version since the last switch.
func TestVersions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Config{Workers: 3, Gap: rapid.Uint64Range(0, 5).Draw(t, "gap")}
		c.Metrics.Delay = rapid.IntRange(0, 2).Draw(t, "delay")
		var latest *policy.Route // by definition; nil: the hash route
		highest := uint64(0)
		var answer *policy.Route
		controller := controllerFunc(func(_ *policy.Window, got *policy.Route) policy.Decision {
			if latest == nil && (got.Version != 0 || len(got.Keys) != 0) || latest != nil && got != latest {
				t.Fatalf("the latest route is %d, the controller got %d", version(latest), version(got))
			}
			return policy.Decision{Route: answer}
		})
		c.Controller = controller
		l := New(c)
		announced := []*policy.Route{nil}
		for step := range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"window", "window", "window", "follow", "switch"}).Draw(t, "event") {
			case "window":
				// In force is a route that was announced before, or one of another loop.
				inForce := rapid.SampledFrom(announced).Draw(t, "in force")
				if rapid.IntRange(0, 5).Draw(t, "foreign") == 0 {
					inForce = foreign(t)
				}
				if v := version(inForce); v > highest {
					highest, latest = v, inForce
				}
				answer = nil
				if rapid.Bool().Draw(t, "answers") {
					answer = &policy.Route{Workers: 3, Version: rapid.SampledFrom([]uint64{0, 0, 0, highest + 7}).Draw(t, "own version")}
				}
				before := *policy.HashRoute(3)
				if answer != nil {
					before = *answer
				}
				r := l.Step(&policy.Window{Step: step, Route: inForce}).Route
				if r == nil {
					continue
				}
				if r.Version < highest+max(1, c.Gap) || answer.Version > highest+max(1, c.Gap) && r.Version != answer.Version {
					t.Fatalf("route %d is announced after %d, of the controller's %d", r.Version, highest, answer.Version)
				}
				if answer.Version != before.Version {
					t.Fatal("the controller's route was changed")
				}
				highest, latest = r.Version, r
				announced = append(announced, r)
			case "follow":
				r := foreign(t)
				if l.Follow(r); r.Version > highest {
					highest, latest = r.Version, r
				}
			case "switch":
				l.Switch(controller)
				latest = nil
			}
		}
	})
}

func foreign(t *rapid.T) *policy.Route {
	return &policy.Route{Workers: 3, Version: rapid.Uint64Range(0, 60).Draw(t, "foreign version")}
}

func version(r *policy.Route) uint64 {
	if r == nil {
		return 0
	}
	return r.Version
}

// A route for another number of workers is no ground to plan from, but its version is used.
func TestFollowOfOtherWorkers(t *testing.T) {
	l := New(Config{Workers: 3})
	other := policy.HashRoute(4)
	other.Version = 9
	l.Follow(other)
	if r := l.Latest(); r.Workers != 3 || r.Version != 0 {
		t.Errorf("the latest route is %d, for %d workers", r.Version, r.Workers)
	}
	if r := l.Announce(policy.HashRoute(3)); r.Version != 10 {
		t.Errorf("announced is version %d, want 10", r.Version)
	}
}

// Without a handler for them, panics of controllers are not hidden.
func TestPanicContinues(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("the panic is gone")
		}
	}()
	New(Config{Workers: 3, Controller: controllerFunc(func(*policy.Window, *policy.Route) policy.Decision { panic("a fault") })}).Step(&policy.Window{})
}

package experiment

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/saspart/saspart/collect"
	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
)

// witness records the windows that it sees, as a controller or as a router that learns.
type witness struct {
	partition.Router
	mu   sync.Mutex
	seen []*policy.Window
}

func (s *witness) Observe(w *policy.Window) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, w.Clone())
}

func (s *witness) Decide(w *policy.Window, _ *policy.Route) policy.Decision {
	s.Observe(w)
	return policy.Decision{}
}

// exact records the windows as they were measured.
type exact struct{ windows []*policy.Window }

func (s *exact) Write(w *policy.Window) error {
	s.windows = append(s.windows, w.Clone())
	return nil
}

// Controllers and routers that learn by themselves see the same of every window: what
// job.metrics leaves of it. What is recorded stays exact.
func TestAllWhoLearnSeeTheSame(t *testing.T) {
	for _, c := range []struct {
		why     string
		metrics policy.BlurConfig
	}{
		{"everything", policy.BlurConfig{}},
		{"noisy, late and incomplete windows", policy.BlurConfig{Noise: 0.1, Delay: 2, Missing: 0.2}},
	} {
		for _, name := range []string{Sim, Local} {
			e := config.Default()
			e.Rate.Rate, e.Job.Partitioners, e.Job.Metrics = 2000, 2, c.metrics
			e.Job.Slide, e.Job.Window = 50*time.Millisecond, 100*time.Millisecond
			e.Partitioner.Name = "hash"
			const windows = 10
			var controller witness
			var measured exact
			var routers []*witness
			_, err := collect.Run{
				Config:  collect.Config{Windows: windows, EpisodeWindows: collect.Endless}.WithDefault(e.Partitioner),
				Workers: e.Job.Workers, Seed: e.Seed, Metrics: e.Job.Metrics, Sink: &measured, Controller: &controller,
				Open: func(s partition.Scheme) (engine.Job, error) {
					open := s.NewRouter
					s.NewRouter = func(env partition.Env) partition.Router {
						r := &witness{Router: open(env)}
						routers = append(routers, r)
						return r
					}
					return Open(&e, name, s, Options{})
				},
			}.Do(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var want []*policy.Window
			blur := policy.NewBlur(e.Job.Metrics, e.Seed)
			for _, w := range measured.windows {
				if seen := blur.See(w); seen != nil {
					want = append(want, seen)
				}
			}
			if len(routers) != e.Job.Partitioners || len(want) != windows-c.metrics.Delay {
				t.Fatalf("%s: %d routers, %d windows", name, len(routers), len(want))
			}
			same := func(who string, got []*policy.Window) {
				// The last window is not decided on, and no slide may begin after the ones before it.
				if n := len(got); n < len(want)-3 {
					t.Errorf("%s, %s: the %s sees %d of %d windows", c.why, name, who, n, len(want))
				}
				at := cmpopts.IgnoreFields(policy.Window{}, "Episode", "Step", "Partitioner") // known to collections alone
				for i, w := range got {
					if d := cmp.Diff(want[i], w, at, cmpopts.EquateNaNs(), cmpopts.EquateEmpty()); d != "" {
						t.Fatalf("%s, %s: the %s sees another window (-want +got):\n%s", c.why, name, who, d)
					}
				}
			}
			same("controller", controller.seen)
			for _, r := range routers {
				same("router", r.seen)
			}
			unmeasured := slices.ContainsFunc(controller.seen, func(w *policy.Window) bool {
				return slices.ContainsFunc(w.Busy, func(b float64) bool { return b != b })
			})
			if unmeasured != (c.metrics.Missing > 0) {
				t.Errorf("%s, %s: workers are missing: %v", c.why, name, unmeasured)
			}
		}
	}
}

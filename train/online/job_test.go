package online

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/saspart/saspart/engine/fluid"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/train/replay"
)

// fluidJob is a job with windows and routes that needs no records.
func fluidJob(t testing.TB, change func(*fluid.Config)) (fluid.Config, func() (Job, error)) {
	t.Helper()
	c := fluid.Default([]float64{1, 0.5, 1, 2})
	c.Keys = fluid.ZipfKeys(100, 1.5, policy.SlotCount(4))
	c.Records, c.HotKeys = 1e9, 20
	if change != nil {
		change(&c)
	}
	return c, func() (Job, error) { return fluid.NewJob(c) }
}

// jobLoop is a loop on such a job.
func jobLoop(t *testing.T, dir string, c Config) *Training {
	t.Helper()
	config, open := fluidJob(t, func(c *fluid.Config) { c.Noise = 0.05 })
	mask := policy.NewMask(config.Keys.Weights()[:4], 4, policy.MaskConfig{TrueHot: 3})
	s := learner(newClimber(mask, 7), 200)
	env := NewSharesEnv(SharesJob{Open: open, Spec: s.Template.Shares, Config: learned.Default(), P0: c.P0, Agent: s, Safety: c.Safety})
	t.Cleanup(func() {
		if err := env.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Training{Config: c, Learner: s, Envs: []Env{env}, EvalEnv: env, Dir: dir, Now: clock()}
}

// late is a job whose routes come into force late and whose windows are mixed when
// they do. Busy times are read off the first share of the first key, so that a reward
// tells which route it is of.
type late struct {
	lag     int
	force   *policy.Route
	coming  []*policy.Route // each in so many windows
	window  int
	applied int
}

func (j *late) Next(context.Context) (*policy.Window, error) {
	w := &policy.Window{
		Step: j.window, Counts: []int64{100, 100}, Busy: []float64{0.5, 0.5}, Records: 200, Route: j.force,
		Hot: []policy.HotKey{{Name: "a", Hash: 1, Count: 150}, {Name: "b", Hash: 2, Count: 40}},
	}
	if j.force != nil {
		w.Busy[0] = share(j.force)
	}
	if len(j.coming) > 0 {
		if next := j.coming[0]; next != nil {
			j.force, w.Route, w.RouteNew = next, next, true
		}
		j.coming = j.coming[1:]
	}
	j.window++
	return w, nil
}

func (j *late) Apply(d policy.Decision) error {
	if d.Route == nil {
		return nil
	}
	for len(j.coming) < j.lag {
		j.coming = append(j.coming, nil)
	}
	j.coming = append(j.coming, d.Route)
	j.applied++
	return nil
}

func (j *late) Close() error { return nil }

// share is the first worker's of the route's first key.
func share(r *policy.Route) float64 {
	for _, k := range r.Keys {
		if k.Hash == 1 && k.Workers[0] == 0 {
			return k.Shares[0]
		}
	}
	return 0
}

// noting is a agent that explores at random and notes what it is taught.
type noting struct {
	*climber
	taught []replay.Transition
}

func (n *noting) Remember(t replay.Transition) error {
	t.Obs, t.Act, t.Next = slices.Clone(t.Obs), slices.Clone(t.Act), slices.Clone(t.Next)
	n.taught = append(n.taught, t)
	return nil
}

// TestCredit: whatever the lag, a reward goes to the action whose route was in force.
func TestCredit(t *testing.T) {
	mask := policy.Mask{Workers: 2, Keys: [][]uint16{{0, 1}, {0, 1}}}
	for _, lag := range []int{0, 1, 3, 6} {
		job := &late{lag: lag}
		agent := &noting{climber: newClimber(mask, 5)}
		spec := &checkpoint.SharesSpec{Workers: 2, Mask: mask.Keys, HotKeys: 2, Hidden: []int{1}}
		env := NewSharesEnv(SharesJob{
			Open: func() (Job, error) { return job, nil }, Spec: spec, Config: learned.Default(), P0: policy.DefaultP0, Agent: agent, Safety: DefaultSafety(),
		})
		if err := env.Reset(); err != nil {
			t.Fatal(err)
		}
		clean := 0
		for range 200 {
			m, err := stepAll(t.Context(), []Env{env}, true)
			if err != nil {
				t.Fatal(err)
			}
			if m[0].Clean {
				clean++
			}
		}
		if len(agent.taught) < 200/(lag+3) || clean < len(agent.taught) {
			t.Errorf("lag %d: %d transitions of 200 windows, %d of one route", lag, len(agent.taught), clean)
		}
		for i, tr := range agent.taught {
			a, b := float64(tr.Act[0]+1), float64(tr.Act[1]+1)
			want := policy.Reward(policy.Perf([]float64{a / (a + b), 0.5}), policy.DefaultP0)
			if math.Abs(float64(tr.Reward)-want) > 1e-4 {
				t.Fatalf("lag %d: transition %d has reward %v, its action earns %v", lag, i, tr.Reward, want)
			}
			if i > 0 && tr.Obs[2] != agent.taught[i-1].Next[2] && lag == 0 {
				t.Fatalf("transition %d begins with what was not seen last", i)
			}
		}
	}
}

// stuck is a job with a worker that never reports.
type stuck struct{ late }

func (j *stuck) Next(ctx context.Context) (*policy.Window, error) {
	w, err := j.late.Next(ctx)
	w.Busy[1] = math.NaN()
	return w, err
}

func TestMissingWorkers(t *testing.T) {
	mask := policy.Mask{Workers: 2, Keys: [][]uint16{{0, 1}}}
	s := learner(newClimber(mask, 1), 10)
	env := NewSharesEnv(SharesJob{
		Open: func() (Job, error) { return &stuck{}, nil }, Spec: s.Template.Shares, Config: learned.Default(), P0: 1, Agent: s, Safety: DefaultSafety(),
	})
	c := quick()
	l := &Training{Config: c, Learner: s, Envs: []Env{env}, EvalEnv: env, Dir: t.TempDir(), Now: clock()}
	_, err := l.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no window of the episode is usable") || s.Replay.Len() != 0 {
		t.Errorf("error %v, %d transitions", err, s.Replay.Len())
	}
}

package online

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/saspart/saspart/engine/fluid"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/runlog"
)

// fluidLoop is a loop on a job in closed form with noise and delay, under a climber.
func fluidLoop(t *testing.T, dir string, c Config, parallel int) *Training {
	t.Helper()
	config := fluid.Default([]float64{1, 0.5, 1, 2})
	config.Noise, config.Delay, config.Records = 0.1, 2, 10_000
	config.Keys = fluid.ZipfKeys(100, 1.5, policy.SlotCount(4))
	mask := policy.NewMask(config.Keys.Weights()[:4], 4, policy.MaskConfig{TrueHot: 3})
	s := learner(newClimber(mask, 7), 200)
	l := &Training{Config: c, Learner: s, Dir: dir, Now: clock()}
	for i := range parallel + 1 {
		config.Seed = uint64(i)
		m, err := fluid.NewSharesEnv(config, fluid.SharesConfig{Observation: policy.Observation{Mask: mask}, HotKeys: 4, P0: c.P0, Vary: c.Vary})
		if err != nil {
			t.Fatal(err)
		}
		safety := c.Safety
		if i == parallel {
			safety = DefaultSafety()
		}
		e, err := NewClosedFormEnv(m, s, nil, safety)
		if err != nil {
			t.Fatal(err)
		}
		if l.EvalEnv = e; i < parallel {
			l.Envs = append(l.Envs, e)
		}
	}
	return l
}

// resumed loads what an earlier loop saved in its folder.
func resumed(t *testing.T, l *Training) *Training {
	t.Helper()
	s := l.Learner.(*SharesLearner)
	cfg := l.Config.Replay
	cfg.Capacity = 200
	status, err := s.Load(filepath.Join(l.Dir, Last), cfg, dimsOf(s.Trainer.(*climber).mask))
	if err != nil {
		t.Fatal(err)
	}
	l.Status = status
	return l
}

// TestLearns: the loop as a whole gets better.
func TestLearns(t *testing.T) {
	c := quick()
	c.Windows = 1500
	l := fluidLoop(t, t.TempDir(), c, 1)
	var first *Evaluation
	l.Evaluated = func(e Evaluation, r RouteMap) error {
		if first == nil {
			first = &e
		}
		if len(r.Keys) != 4 || len(r.Shares) != 4 || math.Abs(sum(r.Shares[0])-1) > 1e-9 {
			t.Errorf("routes %+v", r)
		}
		return nil
	}
	out, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !(out.Best.Imbalance < 0.8*first.Imbalance) {
		t.Errorf("imbalance %.3f at first, %.3f at best", first.Imbalance, out.Best.Imbalance)
	}
}

// TestStop is the table of stop rules. The n-th evaluation, from 1, measures what its
// window says in every window but the last, which is as bad as worst says.
func TestStop(t *testing.T) {
	falling := func(n int) float64 { return 1 / float64(n) }
	flat := func(int) float64 { return 0.5 }
	for _, tc := range []struct {
		why    string
		change func(*Config)
		eval   func(n int) float64
		worst  float64
		env    script
		want   Reason
		at     uint64 // windows
	}{
		{"the target is held over a whole evaluation", func(c *Config) { c.TargetImbalance = 0.25 }, falling, 0, script{}, Target, 60},
		{"one window of each evaluation is above the target", func(c *Config) { c.TargetImbalance, c.Windows = 0.25, 200 }, falling, 0.3, script{}, Windows, 200},
		{"the windows are used up", func(c *Config) { c.Windows = 50 }, flat, 0, script{}, Windows, 50},
		{"the time is used up", func(c *Config) { c.Time = 100 * time.Millisecond }, flat, 0, script{}, Time, 0},
		{"nothing gets better", func(c *Config) { c.Patience = 3 }, flat, 0, script{}, NoImprovement, 60},
		{"it gets better all the time", func(c *Config) { c.Patience, c.Windows = 3, 300 }, falling, 0, script{}, Windows, 300},
		{"the source ends", func(*Config) {}, flat, 0, script{last: 33, err: io.EOF}, Ended, 33},
	} {
		t.Run(tc.why, func(t *testing.T) {
			c := quick()
			c.Windows = 0
			tc.change(&c)
			evaluation := 0
			evalEnv := &script{}
			begun := 0
			evalEnv.measure = func(int) StepResult {
				if evalEnv.begun > begun {
					begun, evalEnv.window, evaluation = evalEnv.begun, 1, evaluation+1
				}
				m := StepResult{Clean: true, Imbalance: tc.eval(evaluation)}
				if evalEnv.window == 1 {
					m.Imbalance = 100 // settling does not count
				} else if evalEnv.window == 6 {
					m.Imbalance = max(m.Imbalance, tc.worst)
				}
				return m
			}
			env := tc.env
			l := &Training{Config: c, Learner: &idle{}, Envs: []Env{&env}, EvalEnv: evalEnv, Dir: t.TempDir(), Now: clock()}
			out, err := l.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if out.Reason != tc.want || tc.at > 0 && out.Windows != tc.at {
				t.Errorf("%s after %d windows, want %s after %d", out.Reason, out.Windows, tc.want, tc.at)
			}
			if c.Explain(out.Reason) == string(out.Reason) {
				t.Errorf("reason %q is not put into words", out.Reason)
			}
		})
	}
}

// TestTimeWithoutWindows: a job that gives no more windows does not outlast the time.
func TestTimeWithoutWindows(t *testing.T) {
	for _, c := range []struct {
		why           string
		explored      int // windows before there are none; 0: any number
		judged, tells int // windows of the evalEnv before there are none, and that a whole evaluation has told of
		windows       uint64
		want          string // error; "": none
	}{
		{"none comes while exploring", 7, 0, 1, 7, ""},
		{"none comes in an evaluation", 0, 9, 1, 20, ""},
		{"there never was one", 1, 1, 0, 0, "no window"},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel() // it waits for the wall clock
			c1 := quick()
			c1.Windows, c1.Time = 0, time.Second
			s := &idle{}
			evaluations := 0
			l := &Training{Config: c1, Learner: s, Dir: "runs/x", Now: time.Now,
				Envs: []Env{&stalling{after: c.explored}}, EvalEnv: &stalling{after: c.judged},
				Evaluated: func(Evaluation, RouteMap) error { evaluations++; return nil },
			}
			out, err := l.Run(t.Context())
			reason := Time
			if c.want != "" {
				reason = Failed
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || out.Reason != reason || out.Windows != c.windows || evaluations != c.tells || len(s.saved) == 0 {
				t.Errorf("%s: %s after %d windows and %d evaluations, saved %v, error %v", c.why, out.Reason, out.Windows, evaluations, s.saved, err)
			}
		})
	}
}

// stalling is an Env that gives so many windows, and from then on none.
type stalling struct {
	script
	after int // 0: any number
}

func (s *stalling) Step(ctx context.Context) error {
	if s.after > 0 && s.window == s.after {
		<-ctx.Done()
	}
	return ctx.Err()
}

// TestNotFinite: what is not finite ends the run with a saved state and a sentence.
func TestNotFinite(t *testing.T) {
	good := StepResult{Clean: true, Imbalance: 0.5, Reward: 1}
	at := func(window int, bad StepResult) func(int) StepResult {
		return func(w int) StepResult {
			if w == window {
				return bad
			}
			return good
		}
	}
	for _, tc := range []struct {
		why     string
		env     script
		evalEnv script
		fail    uint64
		want    []string
	}{
		{"a reward", script{measure: at(17, StepResult{Clean: true, Reward: math.NaN()})}, script{}, 0, []string{"window 17", "job 0", "reward is NaN", "--resume"}},
		{"an imbalance", script{measure: at(3, StepResult{Clean: true, Imbalance: math.Inf(1)})}, script{}, 0, []string{"window 3", "imbalance is +Inf"}},
		{"a metric of an evaluation", script{}, script{measure: at(14, StepResult{Clean: true, Imbalance: math.NaN()})}, 0, []string{"evaluation after window 40", "imbalance is NaN"}},
		{"a loss", script{}, script{}, 5, []string{"after window 15", "loss is NaN"}},
	} {
		s := &idle{fail: tc.fail}
		l := &Training{Config: quick(), Learner: s, Envs: []Env{&tc.env}, EvalEnv: &tc.evalEnv, Dir: "runs/x", Now: clock()}
		out, err := l.Run(t.Context())
		if err == nil || out.Reason != Failed {
			t.Errorf("%s: %s, error %v", tc.why, out.Reason, err)
			continue
		}
		for _, want := range tc.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", tc.why, err, want)
			}
		}
		if n := len(s.saved); n == 0 || s.saved[n-1] != filepath.Join("runs/x", Last) {
			t.Errorf("%s: saved %v", tc.why, s.saved)
		}
	}
}

// TestPolicyNotFinite: a policy that has become NaN does not reach the job.
func TestPolicyNotFinite(t *testing.T) {
	c := quick()
	l := fluidLoop(t, t.TempDir(), c, 1)
	l.Learner.(*SharesLearner).Trainer.(*climber).mean[1] = float32(math.NaN())
	if _, err := l.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "number 1 of the policy's action is NaN") {
		t.Errorf("error %v", err)
	}
}

func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &idle{}
	env := &script{learned: func(window int) {
		if window == 33 {
			cancel()
		}
	}}
	l := &Training{Config: quick(), Learner: s, Envs: []Env{env}, EvalEnv: &script{}, Dir: "runs/x", Now: clock()}
	out, err := l.Run(ctx)
	if !errors.Is(err, context.Canceled) || out.Reason != Interrupted || out.Windows != 33 {
		t.Errorf("%+v, error %v", out, err)
	}
	if n := len(s.saved); n == 0 || s.saved[n-1] != filepath.Join("runs/x", Last) {
		t.Errorf("saved %v", s.saved)
	}
}

// TestOrder: jobs of any pace are learned from in their order, and waited for.
func TestOrder(t *testing.T) {
	c := quick()
	c.Windows = 40
	var order []string
	l := &Training{Config: c, Learner: &idle{}, EvalEnv: &script{}, Dir: t.TempDir(), Now: clock()}
	for i := range 4 {
		l.Envs = append(l.Envs, &script{
			delay:   func() { time.Sleep(time.Duration(3-i) * time.Millisecond) },
			learned: func(window int) { order = append(order, fmt.Sprint(window, ".", i)) },
		})
	}
	out, err := l.Run(t.Context())
	if err != nil || out.Windows != 40 {
		t.Fatal(out, err)
	}
	var want []string
	for window := 1; window <= 10; window++ {
		for i := range 4 {
			want = append(want, fmt.Sprint(window, ".", i))
		}
	}
	if !slices.Equal(order, want) {
		t.Errorf("learned in the order %v", order)
	}
}

// TestMetrics: rows come as often as they should, with what was measured and nothing
// that was not.
func TestMetrics(t *testing.T) {
	c := quick()
	c.Windows = 40
	env := &script{measure: func(w int) StepResult {
		return StepResult{Clean: w%2 == 0, Imbalance: 0.25, Reward: 2, Backpressured: 0.5, Returned: w == 7, Limited: w%10 == 0}
	}}
	evalEnv := &script{measure: func(int) StepResult { return StepResult{Clean: true, Imbalance: 0.125, Reward: 3} }}
	l := &Training{Config: c, Learner: &idle{}, Envs: []Env{env}, EvalEnv: evalEnv, Dir: t.TempDir(), Now: clock()}
	rows := map[uint64]map[string]float64{}
	l.Record = func(windows uint64, values map[string]float64) error {
		rows[windows] = values
		return nil
	}
	out, err := l.Run(t.Context())
	if err != nil || len(rows) != 5 {
		t.Fatal(rows, err)
	}
	for tag, want := range map[string]float64{
		runlog.ExploreImbalance: 0.25, runlog.ExploreReturn: 32, runlog.ExploreBackpressure: 0.5, runlog.Returns: 1, runlog.Limited: 4,
		runlog.Imbalance: 0.125, runlog.WorstImbalance: 0.125, runlog.Reward: 3, runlog.Updates: 30,
	} {
		if got := rows[40][tag]; got != want {
			t.Errorf("%s is %v, want %v", tag, got, want)
		}
	}
	if _, ok := rows[10][runlog.Imbalance]; ok {
		t.Error("a row without an evaluation has one's imbalance")
	}
	if out.Mixed != 20 || out.Returns != 1 || out.Limited != 4 {
		t.Errorf("%+v", out)
	}
}

// TestMemoryIsFlat runs more than an hour's worth of windows of a second.
func TestMemoryIsFlat(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	c := quick()
	c.Windows, c.CheckpointEvery = 4000, 1000
	l := jobLoop(t, t.TempDir(), c)
	var early uint64
	l.Watch = func(p Progress) {
		if p.Windows == 800 { // the replay is full, everything has been used
			early = heap()
		}
	}
	if _, err := l.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if late := heap(); late > early+1<<20 {
		t.Errorf("%d kB in use after 800 windows, %d kB after 4000", early>>10, late>>10)
	}
}

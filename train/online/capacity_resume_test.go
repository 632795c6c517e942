package online

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/fluid"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/plan"
)

// capacityResumed loads what an earlier loop saved in its folder.
func capacityResumed(t *testing.T, l *Training, s *CapacityLearner) *Training {
	t.Helper()
	status, err := s.Load(filepath.Join(l.Dir, Last), 600, 4, l.Config.P0)
	if err != nil {
		t.Fatal(err)
	}
	l.Status = status
	return l
}

// sameFiles tells which files of two runs' last checkpoints differ.
func sameFiles(t *testing.T, dir, one, other string) {
	t.Helper()
	for _, file := range []string{"policy.safetensors", "trainer.safetensors", "trainer.json", "replay.gob"} {
		a, errA := os.ReadFile(filepath.Join(dir, one, Last, file))
		b, errB := os.ReadFile(filepath.Join(dir, other, Last, file))
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		if string(a) != string(b) {
			t.Errorf("%s differs", file)
		}
	}
}

// TestCapacityResumeIsExact: under the capacity action, too, N + N windows are 2N, bit
// for bit.
func TestCapacityResumeIsExact(t *testing.T) {
	exact := func(*fluid.Config) {}
	noisy := func(c *fluid.Config) { c.Noise = 0.05 }
	late := func(c *fluid.Config) { c.Noise, c.Delay = 0.1, 3 }
	changing := func(c *fluid.Config) {
		late(c)
		s := engine.Speeds{Kind: "equal", Change: engine.SpeedChange{Walk: 0.02, Jump: 0.02, Low: 0.5, High: 1.5}}
		c.Drift = s.Drift(len(c.Speeds), 1)
	}
	for _, tc := range []struct {
		why      string
		parallel int
		fluid    func(*fluid.Config)
		safety   Safety
		at, all  int
	}{
		{"measured exactly", 1, exact, DefaultSafety(), 60, 160},
		{"with noise, between two evaluations", 1, noisy, DefaultSafety(), 73, 160},
		{"with noise and delay", 1, late, DefaultSafety(), 71, 160},
		{"before the learning starts, and the delay is over", 1, late, DefaultSafety(), 2, 120},
		{"across the end of a segment of the replay", 1, noisy, DefaultSafety(), 250, 300},
		{"at the end of a segment", 1, noisy, DefaultSafety(), 256, 300},
		{"speeds that change, of two jobs", 2, changing, DefaultSafety(), 60, 140},
		{"three jobs", 3, late, DefaultSafety(), 60, 150},
		{"within bounds", 2, late, Safety{MaxStep: 0.05, MaxImbalance: 0.35}, 90, 180},
	} {
		t.Run(tc.why, func(t *testing.T) {
			t.Parallel() // it mostly waits for the disk
			dir := t.TempDir()
			run := func(name string, windows int, resume bool) Outcome {
				c := quick()
				c.Windows, c.Safety = windows, tc.safety
				l, s := capacityLoopOn(t, filepath.Join(dir, name), c, tc.parallel, tc.fluid)
				if resume {
					capacityResumed(t, l, s)
				}
				out, err := l.Run(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return out
			}
			whole := run("whole", tc.all, false)
			run("parts", tc.at, false)
			parts := run("parts", tc.all, true)
			whole.Last.Seconds, parts.Last.Seconds = 0, 0
			if whole.Windows != parts.Windows || whole.Updates != parts.Updates || whole.Returns != parts.Returns || whole.Limited != parts.Limited || *whole.Last != *parts.Last {
				t.Errorf("in one go %+v, in two %+v", whole, parts)
			}
			sameFiles(t, dir, "whole", "parts")
			if tc.safety != DefaultSafety() && (whole.Returns == 0 || whole.Limited == 0) {
				t.Errorf("%d returns and %d shortened steps; the bounds were to be reached", whole.Returns, whole.Limited)
			}
		})
	}
}

// TestCapacitySaved: in any state of a job, with limits that are often reached, loading
// restores what was saved, and the next window is the same.
func TestCapacitySaved(t *testing.T) {
	c := quick()
	c.Safety = Safety{MaxStep: 0.05, MaxImbalance: 0.35}
	late := func(c *fluid.Config) { c.Noise, c.Delay = 0.1, 3 }
	envs := func() (*capacityEnv[fluid.JobState], *capacityEnv[fluid.JobState]) {
		l, _ := capacityLoopOn(t, t.TempDir(), c, 1, late)
		other, _ := capacityLoopOn(t, t.TempDir(), c, 1, late)
		return l.Envs[0].(*capacityEnv[fluid.JobState]), other.Envs[0].(*capacityEnv[fluid.JobState])
	}
	one, other := envs()
	if err := one.Reset(); err != nil {
		t.Fatal(err)
	}
	saved := func(e *capacityEnv[fluid.JobState]) []byte {
		data, err := e.Save()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	back, shares, good, announced := 0, 0, 0, 0
	for window := range 60 {
		data := saved(one)
		if err := other.Load(data); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(data, saved(other)) {
			t.Fatalf("before window %d: what is loaded is not what was saved", window)
		}
		for _, e := range []*capacityEnv[fluid.JobState]{one, other} {
			if _, err := stepAll(t.Context(), []Env{e}, true); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(saved(one), saved(other)) {
			t.Fatalf("window %d is another one", window)
		}
		for _, v := range []struct {
			count *int
			there bool
		}{{&back, one.returning}, {&shares, one.step.last != nil}, {&good, one.good != nil}, {&announced, one.loop.Latest().Version > 0}} {
			if v.there {
				*v.count++
			}
		}
	}
	if back == 0 || shares == 0 || good == 0 || announced == 0 {
		t.Errorf("windows with a route to take up again %d, with shares %d, with a good route %d, after a new route %d: none may be 0", back, shares, good, announced)
	}
}

// TestCapacityStateForm holds the form in which checkpoints keep a job, which a gob finds
// by the fields' names, and how a state is read that names a returning route only by its
// version.
func TestCapacityStateForm(t *testing.T) {
	type form struct {
		Job      fluid.JobState
		Follower struct {
			Log, Hedge []float64
			Memory     []float32
		}
		Controller struct {
			Loads plan.LoadsState
			Route *policy.Route
			Share []float64
		}
		Generator []byte
		Share     []float64
		Window    *policy.Window
		Newest    uint64
		Good      *policy.Route
		Back      bool
	}
	training, _ := capacityLoopOn(t, t.TempDir(), quick(), 1, func(*fluid.Config) {})
	env := training.Envs[0].(*capacityEnv[fluid.JobState])
	if err := env.Reset(); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, err := stepAll(t.Context(), []Env{env}, true); err != nil {
			t.Fatal(err)
		}
	}
	data, err := env.Save()
	if err != nil {
		t.Fatal(err)
	}
	var s form
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(&s); err != nil {
		t.Fatal(err)
	}
	latest := env.loop.Latest()
	if len(s.Follower.Log) != 4 || len(s.Follower.Memory) == 0 || s.Controller.Loads.Slots == nil || len(s.Controller.Share) != 4 || len(s.Generator) == 0 ||
		len(s.Share) != 4 || s.Window == nil || s.Newest != latest.Version || s.Newest == 0 || s.Good == nil || s.Controller.Route.Version != s.Newest || s.Job.Model.Step == 0 {
		t.Errorf("saved %+v", s)
	}
	s.Newest += 3
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(s); err != nil {
		t.Fatal(err)
	}
	if err := env.Load(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	if got := env.loop.Latest(); got.Version != s.Newest || !slices.Equal(got.Slots, s.Good.Slots) {
		t.Errorf("the latest route has version %d, want the good route with %d", got.Version, s.Newest)
	}
}

// TestCapacityKilled: a run that is killed between two checkpoints resumes from the first and
// ends as an uninterrupted run.
func TestCapacityKilled(t *testing.T) {
	c := quick() // with a checkpoint every 50 windows
	c.Windows = 130
	late := func(c *fluid.Config) { c.Noise, c.Delay = 0.1, 2 }
	dir := t.TempDir()
	whole, _ := capacityLoopOn(t, filepath.Join(dir, "whole"), c, 1, late)
	if _, err := whole.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, kill := context.WithCancel(t.Context())
	first, s := capacityLoopOn(t, filepath.Join(dir, "parts"), c, 1, late)
	learner := &killed{Learner: s}
	first.Learner = learner
	first.Watch = func(p Progress) {
		if p.Windows == 87 {
			learner.dead = true
			kill()
		}
	}
	if _, err := first.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	second, s := capacityLoopOn(t, filepath.Join(dir, "parts"), c, 1, late)
	if capacityResumed(t, second, s).Status.Windows != 50 {
		t.Errorf("the last checkpoint is of window %d", second.Status.Windows)
	}
	if _, err := second.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	sameFiles(t, dir, "whole", "parts")
}

// unkept is a job without state to save, as those that process records.
type unkept struct{ Job }

// TestCapacityRestarts: a job without state to save restarts, and its windows start a new
// segment; the learner resumes.
func TestCapacityRestarts(t *testing.T) {
	for _, tc := range []struct {
		why   string
		saved []byte // of the job; nil: what it saves
	}{
		{"a job on records saves nothing", nil},
		{"what a job in closed form saved is of no use to another", []byte("something")},
	} {
		c := quick()
		c.Windows = 60
		dir := t.TempDir()
		loop := func() (*Training, *CapacityLearner) {
			l, s := capacityLoopOn(t, dir, c, 1, func(*fluid.Config) {})
			for _, e := range append(l.Envs, l.EvalEnv) {
				env := e.(*capacityEnv[fluid.JobState])
				open := env.Open
				env.Open = func() (Job, error) {
					job, err := open()
					return unkept{job}, err
				}
			}
			return l, s
		}
		l, _ := loop()
		if _, err := l.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		l, s := loop()
		capacityResumed(t, l, s)
		if n := len(l.Status.Jobs[0]); n != 0 {
			t.Errorf("%s: %d bytes were saved", tc.why, n)
		}
		l.Status.Jobs[0] = tc.saved
		l.Config.Windows = 70
		out, err := l.Run(t.Context())
		if err != nil || out.Updates != 60 || s.Windows.Longest() != 60 || s.Windows.Windows() != 70 {
			t.Errorf("%s: %d updates, %d windows of which %d in a row, error %v", tc.why, out.Updates, s.Windows.Windows(), s.Windows.Longest(), err)
		}
	}
}

// TestCapacityLoadRefuses: what was saved of another job is an error that says so, and
// the checkpoint stays as it was.
func TestCapacityLoadRefuses(t *testing.T) {
	c := quick()
	c.Windows = 30
	dir := t.TempDir()
	l, _ := capacityLoopOn(t, dir, c, 1, func(*fluid.Config) {})
	if _, err := l.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, Last, statusFile)
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	same := func(saved []byte) []byte { return saved }
	for _, tc := range []struct {
		why    string
		fluid  func(*fluid.Config)
		change func(saved []byte) []byte
	}{
		{"another delay", func(c *fluid.Config) { c.Delay = 1 }, same},
		{"fewer workers", func(c *fluid.Config) { c.Speeds = c.Speeds[:3] }, same},
		{"half of it is missing", func(*fluid.Config) {}, func(saved []byte) []byte { return saved[:len(saved)/2] }},
		{"no state at all", func(*fluid.Config) {}, func([]byte) []byte { return []byte("something") }},
	} {
		l, s := capacityLoopOn(t, dir, c, 1, tc.fluid)
		capacityResumed(t, l, s)
		l.Status.Jobs[0] = tc.change(l.Status.Jobs[0])
		out, err := l.Run(t.Context())
		if err == nil || out.Reason != Failed || !strings.Contains(err.Error(), "use the experiment that the training was on") {
			t.Errorf("%s: %s, error %v", tc.why, out.Reason, err)
		}
		after, err := os.ReadFile(file)
		if err != nil || string(after) != string(before) {
			t.Errorf("%s: the checkpoint has changed (%v)", tc.why, err)
		}
	}
}

package collect

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/registry"
	"github.com/saspart/saspart/policy"
)

// fakeJob gives windows of a second that say how many came before, and notes
// what is asked of it.
type fakeJob struct {
	given   int
	ends    int // windows until io.EOF; 0 never
	fails   int // window at which Next fails; 0 never
	applied []uint64
	told    []int    // windows that were answered with capacities
	names   []string // of the partitioners, in order
	closed  int
}

func (j *fakeJob) Next(ctx context.Context) (*policy.Window, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if j.ends > 0 && j.given == j.ends {
		return nil, io.EOF
	}
	j.given++
	if j.given == j.fails {
		return nil, errors.New("worker 1 died")
	}
	start := time.Duration(j.given-1) * time.Second
	return &policy.Window{Start: start, End: start + time.Second, Records: int64(j.given), Counts: []int64{int64(j.given), 0}, Busy: []float64{0.5, 0.1}}, nil
}

func (j *fakeJob) Apply(d policy.Decision) error {
	if d.Capacities != nil {
		j.told = append(j.told, j.given)
	}
	if d.Route != nil {
		j.applied = append(j.applied, d.Route.Version)
	}
	return nil
}
func (j *fakeJob) Switch(s partition.Scheme) error { j.names = append(j.names, s.Name); return nil }
func (j *fakeJob) Close() error                    { j.closed++; return nil }
func (j *fakeJob) open(s partition.Scheme) (engine.Job, error) {
	j.names = []string{s.Name}
	return j, nil
}

// list is a sink in memory that fails at a window if asked to.
type list struct {
	windows []*policy.Window
	fails   int
}

func (l *list) Write(w *policy.Window) error {
	if l.fails > 0 && len(l.windows)+1 == l.fails {
		return errors.New("no space left on device")
	}
	l.windows = append(l.windows, w)
	return nil
}

func behaviour(name string, weight float64, windows int) Behaviour {
	b := Behaviour{}
	b.SetDefaults()
	b.Partitioner.Name, b.Weight, b.Windows = name, weight, windows
	return b
}

func TestLimits(t *testing.T) {
	one := []Behaviour{behaviour("hash", 1, 0)}
	for _, c := range []struct {
		why      string
		config   Config
		ends     int // of the source
		windows  int
		episodes int
		ended    bool
	}{
		{"a number of windows ends within an episode", Config{Windows: 7, EpisodeWindows: 5}, 0, 7, 2, false},
		{"the last window of an episode begins no other", Config{Windows: 10, EpisodeWindows: 5}, 0, 10, 2, false},
		{"whole episodes", Config{Episodes: 3, EpisodeWindows: 4}, 0, 12, 3, false},
		{"the job's clock, not the wall's", Config{Duration: 6500 * time.Millisecond, EpisodeWindows: 5}, 0, 7, 2, false},
		{"the first limit reached counts", Config{Duration: time.Hour, Windows: 3, Episodes: 2, EpisodeWindows: 2}, 0, 3, 2, false},
		{"without limits the source's end", Config{EpisodeWindows: 4}, 9, 9, 3, true},
		{"a source that ends before the limit", Config{Windows: 100, EpisodeWindows: 50}, 9, 9, 1, true},
		{"an empty source", Config{Windows: 100, EpisodeWindows: 50}, -1, 0, 1, true},
	} {
		job, sink := &fakeJob{ends: c.ends}, &list{}
		if c.ends < 0 {
			job.ends, job.given = 1, 1
		}
		c.config.Behaviours = one
		res, err := Run{Config: c.config, Workers: 2, Open: job.open, Sink: sink}.Do(context.Background())
		want := Result{Windows: c.windows, Episodes: c.episodes, Ended: c.ended}
		if err != nil || res != want || len(sink.windows) != c.windows {
			t.Errorf("%s: %+v, %d windows in the sink, error %v; want %+v", c.why, res, len(sink.windows), err, want)
		}
		if job.closed != 1 {
			t.Errorf("%s: the job was closed %d times", c.why, job.closed)
		}
	}
}

func TestLabels(t *testing.T) {
	job, sink := &fakeJob{}, &list{}
	c := Config{Episodes: 4, EpisodeWindows: 3, Behaviours: []Behaviour{behaviour("hash", 1, 0), behaviour("pkg", 1, 2)}}
	var watched []*policy.Window
	_, err := Run{Config: c, Workers: 2, Seed: 1, Open: job.open, Sink: sink,
		Watch: func(w *policy.Window) { watched = append(watched, w) }}.Do(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(watched, sink.windows) {
		t.Error("not every window was shown, or not in order")
	}
	if len(job.names) != 4 {
		t.Fatalf("two behaviours of equal weight must alternate over 4 episodes, got %v", job.names)
	}
	episode, step := 0, 0
	for i, w := range sink.windows {
		name := job.names[episode]
		if w.Episode != episode || w.Step != step || w.Partitioner != name || w.Records != int64(i+1) {
			t.Fatalf("window %d is labelled episode %d step %d of %s; it is episode %d step %d of %s", i, w.Episode, w.Step, w.Partitioner, episode, step, name)
		}
		if changed := episode > 0 && step == 0; w.RouteNew != changed {
			t.Errorf("window %d: RouteNew %v; the partitioner changed in it: %v", i, w.RouteNew, changed)
		}
		step++
		if long := map[string]int{"hash": 3, "pkg": 2}[name]; step == long {
			episode, step = episode+1, 0
		}
	}
}

// TestSchedule checks the promise that weights hold all along, and that the order
// comes from the seed alone.
func TestSchedule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.Float64Range(0, 10), 1, 6).Draw(t, "weights")
		weights[rapid.IntRange(0, len(weights)-1).Draw(t, "sure")] = 1
		var behaviours []Behaviour
		sum := 0.0
		for _, w := range weights {
			behaviours = append(behaviours, Behaviour{Weight: w})
			sum += w
		}
		seed := rapid.Uint64().Draw(t, "seed")
		a, b := newSchedule(behaviours, seed), newSchedule(behaviours, seed)
		given := make([]float64, len(weights))
		for n := 1; n <= 100; n++ {
			i := a.next()
			if j := b.next(); i != j {
				t.Fatalf("episode %d: behaviour %d and, from the same seed, %d", n, i, j)
			}
			given[i]++
			for k, w := range weights {
				if w == 0 && given[k] > 0 {
					t.Fatalf("behaviour %d of weight 0 got an episode", k)
				}
				if behind := w / sum * float64(n); given[k]-behind >= 1+1e-6 {
					t.Fatalf("after %d episodes behaviour %d had %v; its share is %v", n, k, given[k], behind)
				}
			}
		}
	})
}

func TestInterruptFinishesTheWindow(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	job, sink := &fakeJob{}, &list{}
	c := Config{EpisodeWindows: 4, Behaviours: []Behaviour{behaviour("hash", 1, 0)}}
	res, err := Run{Config: c, Workers: 2, Open: job.open, Sink: sink, Watch: func(w *policy.Window) {
		if w.Records == 6 {
			cancel()
		}
	}}.Do(ctx)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "interrupted after 6 windows") {
		t.Errorf("error %v", err)
	}
	if res.Windows != 6 || len(sink.windows) != 6 || job.given != 6 || job.closed != 1 {
		t.Errorf("%+v, %d windows in the sink, %d of the job, closed %d times", res, len(sink.windows), job.given, job.closed)
	}
}

func TestFailures(t *testing.T) {
	base := Config{Windows: 10, EpisodeWindows: 4, Behaviours: []Behaviour{behaviour("hash", 1, 0)}}
	two := base
	two.Behaviours = []Behaviour{behaviour("hash", 1, 0), behaviour("pkg", 1, 0)}
	none := base
	none.Behaviours = nil
	unknown := base
	unknown.Behaviours = []Behaviour{behaviour("hsah", 1, 0)}
	for _, c := range []struct {
		why     string
		config  Config
		job     *fakeJob
		sink    *list
		open    func(j *fakeJob) func(partition.Scheme) (engine.Job, error)
		want    string
		windows int
	}{
		{"the job fails", base, &fakeJob{fails: 4}, &list{}, nil, "window 3: worker 1 died", 3},
		{"the disk is full", base, &fakeJob{}, &list{fails: 3}, nil, "no space left", 2},
		{"no behaviour", none, &fakeJob{}, &list{}, nil, "no behaviour", 0},
		{"an unknown behaviour", unknown, &fakeJob{}, &list{}, nil, "hash", 0},
		{"an engine that cannot switch", two, &fakeJob{}, &list{}, func(j *fakeJob) func(partition.Scheme) (engine.Job, error) {
			return func(partition.Scheme) (engine.Job, error) { return struct{ engine.Job }{j}, nil }
		}, "cannot change its partitioner", 0},
		{"the job does not start", base, &fakeJob{}, &list{}, func(*fakeJob) func(partition.Scheme) (engine.Job, error) {
			return func(partition.Scheme) (engine.Job, error) { return nil, errors.New("no such file") }
		}, "no such file", 0},
	} {
		open := c.job.open
		if c.open != nil {
			open = c.open(c.job)
		}
		res, err := Run{Config: c.config, Workers: 2, Open: open, Sink: c.sink}.Do(context.Background())
		if err == nil || !strings.Contains(err.Error(), c.want) || res.Windows != c.windows || len(c.sink.windows) != c.windows {
			t.Errorf("%s: %+v, %d windows in the sink, error %v", c.why, res, len(c.sink.windows), err)
		}
	}
}

// counter answers every window with a route, and notes the versions of the latest routes.
type counter struct{ latest []uint64 }

func (c *counter) Decide(_ *policy.Window, latest *policy.Route) policy.Decision {
	c.latest = append(c.latest, latest.Version)
	return policy.Decision{Route: policy.HashRoute(2)}
}

// TestVersionsGrow checks the promise of policy.Route that a job's routes have
// growing versions, also when two controllers take turns.
func TestVersionsGrow(t *testing.T) {
	job := &fakeJob{}
	c := Config{Episodes: 6, EpisodeWindows: 3, Behaviours: []Behaviour{behaviour("hash", 1, 0), behaviour("pkg", 1, 0)}}
	col := collector{Run: Run{Config: c, Sink: &list{}}, plan: newSchedule(c.Behaviours, 1), job: job, switcher: job, res: Result{Episodes: 1},
		schemes: []partition.Scheme{{Name: "a", Controller: &counter{}}, {Name: "b", Controller: &counter{}}}}
	col.now = col.plan.next()
	col.control = loop.New(loop.Config{Workers: 2, Controller: col.controller()})
	if err := col.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(job.applied) != 12 { // no answer to the last window of an episode, whose partitioner goes
		t.Errorf("%d routes applied over 6 episodes of 3 windows", len(job.applied))
	}
	for i := 1; i < len(job.applied); i++ {
		if job.applied[i] <= job.applied[i-1] {
			t.Fatalf("versions %v do not grow", job.applied)
		}
	}
	// The routers of each episode start with the hash route, also when a behaviour returns.
	for _, s := range col.schemes {
		latest := s.Controller.(*counter).latest
		for i, version := range latest {
			if first := i%2 == 0; first != (version == 0) {
				t.Errorf("behaviour %s: the latest routes are %v; each episode begins with 0", s.Name, latest)
				break
			}
		}
	}
}

// witness is a controller that notes what it sees.
type witness struct {
	records []int64
	busy    []float64
}

func (c *witness) Decide(w *policy.Window, _ *policy.Route) policy.Decision {
	c.records, c.busy = append(c.records, w.Records), append(c.busy, w.Busy[0])
	return policy.Decision{Capacities: policy.CapacitiesOf(w.Busy)}
}

// Controllers see windows late and with noise; the sink takes them as they were.
func TestMetricsBlurWhatControllersSee(t *testing.T) {
	sink, seen, job := &list{}, &witness{}, &fakeJob{}
	_, err := Run{
		Config: Config{Windows: 6, EpisodeWindows: 3, Behaviours: []Behaviour{behaviour("hash", 1, 0)}}, Workers: 2, Seed: 1,
		Open: job.open, Sink: sink, Controller: seen, Metrics: policy.BlurConfig{Noise: 0.2, Delay: 1},
	}.Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Nothing is seen after the first window, and nothing decided after the last.
	if want := []int64{1, 2, 3, 4}; !slices.Equal(seen.records, want) {
		t.Errorf("windows seen: %v, want %v", seen.records, want)
	}
	if want := []int{2, 3, 4, 5}; !slices.Equal(job.told, want) {
		t.Errorf("capacities after the windows %v, want %v", job.told, want)
	}
	for i, w := range sink.windows {
		if w.Records != int64(i+1) || w.Busy[0] != 0.5 {
			t.Errorf("window %d of the sink: %d records, busy %v", i, w.Records, w.Busy)
		}
	}
	if slices.Contains(seen.busy, 0.5) {
		t.Errorf("busy ratios seen: %v", seen.busy)
	}
	_, err = Run{Config: Config{Windows: 1, EpisodeWindows: 1}.WithDefault(registry.Default()), Metrics: policy.BlurConfig{Delay: -1}}.Do(t.Context())
	if err == nil || !strings.Contains(err.Error(), "delay") {
		t.Errorf("a delay of -1: %v", err)
	}
}

func TestValidate(t *testing.T) {
	good := Default()
	if err := good.Validate(); err != nil {
		t.Fatalf("the default: %v", err)
	}
	for path, c := range map[string]Config{
		"windows":                        {Windows: -1, EpisodeWindows: 1},
		"episodes":                       {Episodes: -1, EpisodeWindows: 1},
		"episode_windows":                {},
		"duration":                       {Duration: -1, EpisodeWindows: 1},
		"behaviours[0].weight":           {EpisodeWindows: 1, Behaviours: []Behaviour{behaviour("hash", -1, 0), behaviour("hash", 2, 0)}},
		"behaviours[1].partitioner.name": {EpisodeWindows: 1, Behaviours: []Behaviour{behaviour("hash", 1, 0), behaviour("", 1, 0)}},
		"behaviours[0].windows":          {EpisodeWindows: 1, Behaviours: []Behaviour{behaviour("hash", 1, -2)}},
		"behaviours":                     {EpisodeWindows: 1, Behaviours: []Behaviour{behaviour("hash", 0, 0)}},
	} {
		errs := field.List(c.Validate())
		if len(errs) != 1 || errs[0].Path != path {
			t.Errorf("%s: %v", path, errs)
		}
	}
}

// TestKill kills a collection at random moments: the trace opens, with every
// window that was reported as written, and none that was not collected.
func TestKill(t *testing.T) {
	if path := os.Getenv("COLLECT_TEST_TRACE"); path != "" {
		w, err := dataset.Create(path, dataset.Meta{Workers: 2, Engine: "fake"})
		if err != nil {
			t.Fatal(err)
		}
		job := &fakeJob{}
		c := Config{EpisodeWindows: 10, Behaviours: []Behaviour{behaviour("hash", 1, 0)}}
		_, err = Run{Config: c, Workers: 2, Open: job.open, Sink: w,
			Watch: func(w *policy.Window) { fmt.Fprintln(os.Stderr, "kept", w.Records) }}.Do(context.Background())
		t.Fatal(err) // only a kill ends this
	}
	rounds := 10
	if testing.Short() {
		rounds = 2
	}
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1)) // which moments: chance, on purpose
	for range rounds {
		path := filepath.Join(t.TempDir(), "x.arrow")
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), "COLLECT_TEST_TRACE="+path)
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill := rng.IntN(400)
		kept := 0
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			n, err := strconv.Atoi(strings.TrimPrefix(lines.Text(), "kept "))
			if err != nil {
				t.Fatalf("the collection said: %s", lines.Text())
			}
			kept = n
			if kept == kill+1 {
				time.Sleep(time.Duration(rng.IntN(2000)) * time.Microsecond)
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // it was killed
		r, err := dataset.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for {
			w, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if n++; w.Records != int64(n) || w.Step != (n-1)%10 {
				t.Fatalf("window %d says %d", n, w.Records)
			}
		}
		r.Close()
		if n < kept || n > kept+1 || r.Complete() {
			t.Errorf("killed after %d windows were written; the trace has %d, complete %v", kept, n, r.Complete())
		}
	}
}

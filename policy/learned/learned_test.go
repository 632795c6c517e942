package learned

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/filter"
	"github.com/saspart/saspart/policy/internal/toy"
	"github.com/saspart/saspart/policy/network"
	"github.com/saspart/saspart/policy/plan"
)

// sharesPolicy is the checkpoint that is kept as an example of the format.
func sharesPolicy() *checkpoint.Checkpoint {
	c, err := checkpoint.Load(filepath.Join("..", "checkpoint", "testdata", "checkpoint-1"))
	if err != nil {
		panic(err)
	}
	// A layer's weight before its bias, as the naive twin takes them.
	slices.SortFunc(c.Tensors, func(a, b network.Tensor) int {
		if layer := strings.Compare(a.Name[:1], b.Name[:1]); layer != 0 {
			return layer
		}
		return strings.Compare(b.Name, a.Name)
	})
	return c
}

func controllerOf(t testing.TB, c *checkpoint.Checkpoint, workers int) policy.Controller {
	t.Helper()
	f, err := New(c, Default(), workers)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// An untrained capacity policy on a job of records does what waterfill does: routes
// become good, then rest, and follow a worker that slows down.
func TestLearnedCapacitySettles(t *testing.T) {
	for _, p := range []int{1, 8, 64} {
		j := toy.New(p, 1.2, 20000, 1)
		j.RNG = rand.New(rand.NewPCG(4, 4))
		f := controllerOf(t, checkpoint.UntrainedCapacity(32, 1), p)
		j.Follow(t, f, 30)
		limit := 1 + 5*math.Sqrt(float64(p)/1e5)
		if got := j.Busiest(); got > limit {
			t.Errorf("%d workers: after 30 windows the busiest has %.3f of its part, more than %.3f", p, got, limit)
		}
		if n := j.Follow(t, f, 30); n > 12 {
			t.Errorf("%d workers: %d new routes in 30 windows in which nothing changed", p, n)
		}
		j.Speeds[p/2] *= 0.4
		slow := j.Busiest()
		j.Follow(t, f, 15)
		if got := j.Busiest(); got > limit+0.25*(slow-1) {
			t.Errorf("%d workers: 15 windows after one slowed down the busiest has %.3f, from %.3f", p, got, slow)
		}
	}
}

// With exact counts the shares are those of the speeds.
func TestLearnedCapacityFindsSpeeds(t *testing.T) {
	j := toy.New(8, 1.5, 1e9, 2)
	f := controllerOf(t, checkpoint.UntrainedCapacity(32, 1), 8)
	j.Follow(t, f, 40)
	if got := j.Busiest(); got > 1.01 {
		t.Errorf("the busiest has %.4f of its part", got)
	}
}

// hotWindow is a window with keys that occur n/(rank+1) times, named by offset+rank.
func hotWindow(workers, keys, offset int, n int64) *policy.Window {
	w := &policy.Window{Counts: make([]int64, workers), Busy: make([]float64, workers), Records: 10 * n}
	for i := range workers {
		w.Counts[i], w.Busy[i] = 10*n/int64(workers)+int64(i), 0.5+float64(i)/100
	}
	for i := range keys {
		w.Hot = append(w.Hot, policy.HotKey{Name: fmt.Sprint(offset + i), Hash: uint64(offset+i+1) * 0x9e3779b97f4a7c15, Count: n / int64(i+1)})
	}
	return w
}

// The route of a shares policy is, number by number, that of its network's output for
// the published observation.
func TestLearnedSharesRoute(t *testing.T) {
	c := sharesPolicy()
	f := controllerOf(t, c, 3)
	w := hotWindow(3, 6, 0, 1000)
	r := f.Decide(w, policy.HashRoute(3)).Route
	if r == nil {
		t.Fatal("no route")
	}
	x := new(policy.Observation).Of(nil, &policy.Seen{Counts: []float64{float64(w.Counts[0]), float64(w.Counts[1]), float64(w.Counts[2])}, Busy: w.Busy})
	for i := range x {
		x[i] = (x[i] - float64(c.Normalisation.Mean[i])) * float64(c.Normalisation.Scale[i])
	}
	a := toy.NaiveMLP(c.Tensors, x)
	for i := range a {
		a[i] = (a[i] + 1) / 2
	}
	sum := a[0] + a[1] + a[2]
	third := []float64{1. / 3, 1. / 3, 1. / 3}
	want := []policy.KeyRoute{
		{Hash: w.Hot[0].Hash, Name: "0", Workers: []uint16{0, 1, 2}, Shares: []float64{a[0] / sum, a[1] / sum, a[2] / sum}},
		{Hash: w.Hot[1].Hash, Name: "1", Workers: []uint16{1}, Shares: []float64{1}},
		{Hash: w.Hot[2].Hash, Name: "2", Workers: []uint16{0, 1, 2}, Shares: third}, // past the mask: even
		{Hash: w.Hot[3].Hash, Name: "3", Workers: []uint16{0, 1, 2}, Shares: third}, // the last of 4 hot keys
	}
	if d := cmp.Diff(want, r.Keys, cmpopts.EquateApprox(0, 1e-5)); d != "" {
		t.Errorf("keys:\n%s", d)
	}
	if r.Version != 0 || cmp.Diff(policy.HashRoute(3).Slots, r.Slots) != "" {
		t.Errorf("version %d, or the slots are not those of the hash route", r.Version)
	}
	if again := f.Decide(w, r).Route; again != nil {
		t.Error("the same window again gives another route")
	}
	// Other keys have become hot: they take the places of the mask.
	last := r
	for range 20 {
		if r := f.Decide(hotWindow(3, 6, 100, 1000), last).Route; r != nil {
			last = r
		}
	}
	if len(last.Keys) != 4 || last.Keys[0].Name != "100" || last.Keys[3].Name != "103" {
		t.Errorf("after the keys changed the route is %+v", last)
	}
}

// Fewer hot keys than the mask has leave its last places empty; none, no decision.
func TestLearnedSharesFewKeys(t *testing.T) {
	f := controllerOf(t, sharesPolicy(), 3)
	if r := f.Decide(hotWindow(3, 0, 0, 1000), policy.HashRoute(3)).Route; r != nil {
		t.Errorf("without hot keys the route is %+v", r)
	}
	if r := f.Decide(hotWindow(3, 1, 0, 1000), policy.HashRoute(3)).Route; r == nil || len(r.Keys) != 1 || r.Validate() != nil {
		t.Errorf("with one hot key the route is %+v", r)
	}
}

// adaptiveView is a view of a job of two workers, the first of which is half as fast, with a key
// of 0.4 on both workers, one of 0.3 past the mask, and 0.3 in the slots, 0.2 of it at the first.
func adaptiveView(t *testing.T, config Config) *SharesView {
	t.Helper()
	v := NewSharesView(&checkpoint.SharesSpec{
		Workers: 2, Mask: [][]uint16{{0, 1}}, HotKeys: 2, KeyShares: []float64{0.5, 0.3}, Observation: policy.AdaptiveObservation,
	}, nil, config)
	n := policy.SlotCount(2)
	w := &policy.Window{
		Counts: []int64{500e6, 500e6}, Busy: []float64{0.8, 0.4}, Records: 1e9, Slots: make([]int64, n),
		Hot: []policy.HotKey{{Name: "a", Hash: 1, Count: 400e6}, {Name: "b", Hash: 1 << 63, Count: 300e6}},
	}
	for s := range w.Slots {
		w.Slots[s] = int64(1e8 / float64(n/2))
		if s%2 == 0 {
			w.Slots[s] *= 2
		}
	}
	for _, h := range w.Hot {
		w.Slots[policy.SlotOf(h.Hash, n)] += h.Count
	}
	for range 5 {
		if !v.Observe(w) {
			t.Fatal("no decision is possible")
		}
	}
	want := []float64{1, 1, 0.8, 0.4, 2 * math.Ln2, -2 * math.Ln2, 8 * 0.05, -8 * 0.05, 8 * -0.1 / 2}
	for i, x := range v.Observation(nil, w) {
		if math.Abs(float64(x)-want[i]) > 1e-3 {
			t.Fatalf("number %d of the observation is %v, want %v", i, x, want[i])
		}
	}
	return v
}

// TestAdaptiveRests: with the loads of adaptiveView, a route that gives the first worker the part s
// of the masked key gives it a load of 0.35 + 0.4 s, which takes twice the time of the second's.
// At s = 0 its time is 0.70 and the second's 0.65: the busiest has 1.05 of what it would have in
// balance, 2/3 of a time of 1.
func TestAdaptiveRests(t *testing.T) {
	route := func(v *SharesView, s float64) *policy.Route {
		r, err := v.Route([]float64{s, 1 - s})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	certain, eager := Default(), Default()
	certain.Noise = 0
	eager.Gain, eager.Noise = 0, 0
	doubtful := Default()
	doubtful.Noise = 1e6
	for _, c := range []struct {
		why          string
		config       Config
		latest, next float64
		rests        bool
	}{
		{"from an even spread it is a relief of 0.6", Default(), 0.5, 0, false},
		{"and back a burden", Default(), 0, 0.5, true},
		{"0.01 of the key is a relief of 0.012, less than chance", Default(), 0.01, 0, true},
		{"which counts where estimates are certain", certain, 0.01, 0, false},
		{"0.003 of it is one of 0.0036, below the gain", certain, 0.003, 0, true},
		{"which counts without a dead band", eager, 0.003, 0, false},
		{"nothing counts beyond doubt", doubtful, 0.5, 0, true},
	} {
		v := adaptiveView(t, c.config)
		if got := v.Rests(route(v, c.latest), route(v, c.next)); got != c.rests {
			t.Errorf("%s: rests: %v", c.why, got)
		}
	}
}

func TestRanksAreSticky(t *testing.T) {
	r := ranks{most: 3}
	names := func() string {
		s := ""
		for _, k := range r.order {
			s += k.Name
		}
		return s
	}
	for _, c := range []struct {
		why  string
		keys []plan.KeyLoad
		want string
	}{
		{"heaviest first, whatever the order given", []plan.KeyLoad{{Hash: 1, Name: "a", Load: 5}, {Hash: 2, Name: "b", Load: 9}, {Hash: 3, Name: "c", Load: 7}, {Hash: 4, Name: "d", Load: 1}}, "bca"},
		{"a little heavier is not enough", []plan.KeyLoad{{Hash: 1, Name: "a", Load: 7.5}, {Hash: 2, Name: "b", Load: 7}, {Hash: 3, Name: "c", Load: 7}, {Hash: 4, Name: "d", Load: 7.7}}, "bca"},
		{"much heavier is", []plan.KeyLoad{{Hash: 1, Name: "a", Load: 20}, {Hash: 2, Name: "b", Load: 7}, {Hash: 3, Name: "c", Load: 7}, {Hash: 4, Name: "d", Load: 7.7}}, "abc"},
		{"an outsider takes the lightest's place, then its own", []plan.KeyLoad{{Hash: 1, Name: "a", Load: 20}, {Hash: 2, Name: "b", Load: 7}, {Hash: 3, Name: "c", Load: 8}, {Hash: 4, Name: "d", Load: 9}}, "adc"},
		{"keys without load go", []plan.KeyLoad{{Hash: 1, Name: "a", Load: 0}, {Hash: 3, Name: "c", Load: 8}, {Hash: 4, Name: "d", Load: 9}}, "dc"},
		{"and keys that are gone", []plan.KeyLoad{{Hash: 4, Name: "d", Load: 9}, {Hash: 5, Name: "e", Load: 1}}, "de"},
		{"nothing left", nil, ""},
	} {
		if r.update(c.keys); names() != c.want {
			t.Errorf("%s: %q, want %q", c.why, names(), c.want)
		}
	}
}

func TestDistance(t *testing.T) {
	at := func(workers []uint16, shares ...float64) *policy.KeyRoute {
		return &policy.KeyRoute{Workers: workers, Shares: shares}
	}
	for _, c := range []struct {
		a, b *policy.KeyRoute
		want float64
	}{
		{at([]uint16{1}, 1), at([]uint16{1}, 1), 0},
		{at([]uint16{1}, 1), at([]uint16{2}, 1), 1},
		{at([]uint16{0, 2}, 0.5, 0.5), at([]uint16{1, 2, 3}, 0.25, 0.25, 0.5), 0.75},
	} {
		for _, got := range []float64{distance(c.a, c.b), distance(c.b, c.a)} {
			if math.Abs(got-c.want) > 1e-12 {
				t.Errorf("from %v to %v: %v, want %v", c.a, c.b, got, c.want)
			}
		}
	}
}

// Windows of two routes and of other jobs are no ground to decide on.
func TestLearnedWhenToDecide(t *testing.T) {
	for name, c := range map[string]*checkpoint.Checkpoint{"shares": sharesPolicy(), "capacity": checkpoint.UntrainedCapacity(8, 1)} {
		f, hash := controllerOf(t, c, 3), policy.HashRoute(3)
		w := hotWindow(3, 6, 0, 10000)
		w.Busy = []float64{0.9, 0.5, 0.2}
		w.RouteNew = true
		if f.Decide(w, hash).Route != nil {
			t.Errorf("%s: it decides on a window of two routes", name)
		}
		w.RouteNew = false
		if f.Decide(hotWindow(4, 6, 0, 10000), hash).Route != nil {
			t.Errorf("%s: it decides on a window of 4 workers", name)
		}
		r := f.Decide(w, hash).Route
		if r == nil || r.Version != 0 {
			t.Fatalf("%s: the first route is %v", name, r)
		}
		// It plans from the latest route, whatever is in force.
		w.Route = hash
		if again := f.Decide(w, r).Route; again != nil && name == "shares" { // the other's estimates of the speeds still change
			t.Errorf("%s: while its route is not in force yet it decides on %v", name, again)
		}
		if again := f.Decide(w, hash).Route; again == nil {
			t.Errorf("%s: another controller took its route back, and it does not decide again", name)
		}
	}
}

// A network whose numbers overflow to NaN never decides on a route.
func TestLearnedNaNIsNoRoute(t *testing.T) {
	shares := sharesPolicy()
	capacity := checkpoint.UntrainedCapacity(2, 1)
	for _, tensors := range [][]network.Tensor{shares.Tensors, capacity.Tensors} {
		for _, x := range tensors {
			for i := range x.Data {
				x.Data[i] = math.MaxFloat32
				if i%2 == 1 {
					x.Data[i] = -math.MaxFloat32
				}
			}
		}
	}
	if r := controllerOf(t, shares, 3).Decide(hotWindow(3, 6, 0, 1000), policy.HashRoute(3)).Route; r != nil {
		t.Errorf("shares: the route is %+v", r)
	}
	// There the planner still acts on the loads, for workers taken to be equal.
	f := controllerOf(t, capacity, 3)
	for range 5 {
		if r := f.Decide(hotWindow(3, 6, 0, 1000), policy.HashRoute(3)).Route; r != nil && r.Validate() != nil {
			t.Errorf("capacity: the route is %+v", r)
		}
	}
	for _, e := range f.(*learnedCapacity).policy.(*CapacityPolicy).filter.Estimate() {
		if math.IsNaN(e) || math.IsInf(e, 0) {
			t.Errorf("capacity: an estimate is %v", e)
		}
	}
}

// Whatever a window claims, the answer is a valid route or none.
func TestLearnedWithstands(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, c := 3, sharesPolicy()
		if rapid.Bool().Draw(t, "capacity") {
			p, c = rapid.IntRange(1, 20).Draw(t, "workers"), checkpoint.UntrainedCapacity(4, 1)
			c.Tensors = toy.GRUTensors(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)), len(filter.InputNames()), 4, filter.Actions(false), false)
		}
		f, err := New(c, Default(), p)
		if err != nil {
			t.Fatal(err)
		}
		number := rapid.OneOf(rapid.Float64Range(0, 1), rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 0, 2, 1e300, 5e-324}))
		count := rapid.OneOf(rapid.Int64Range(0, 1e6), rapid.SampledFrom([]int64{-5, 0, math.MaxInt64, math.MinInt64}))
		slots := rapid.SampledFrom([]int{0, 1, 16}).Draw(t, "slots")
		queue := rapid.SampledFrom([]int{0, p}).Draw(t, "queues")
		for range rapid.IntRange(1, 5).Draw(t, "windows") {
			w := &policy.Window{
				Records: count.Draw(t, "records"), Counts: rapid.SliceOfN(count, p, p).Draw(t, "counts"),
				Busy: rapid.SliceOfN(number, p, p).Draw(t, "busy"), Slots: rapid.SliceOfN(count, slots, slots).Draw(t, "slot"),
				Queue: rapid.SliceOfN(number, queue, queue).Draw(t, "queue"),
			}
			for i := range rapid.IntRange(0, 5).Draw(t, "hot") {
				w.Hot = append(w.Hot, policy.HotKey{Hash: uint64(i%3) << 62, Count: count.Draw(t, "hot count"), Error: count.Draw(t, "error")})
			}
			if r := f.Decide(w, policy.HashRoute(p)).Route; r != nil {
				if err := r.Validate(); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestNewLearnedRefuses(t *testing.T) {
	broken := checkpoint.UntrainedCapacity(4, 1)
	broken.Tensors = broken.Tensors[:5]
	if _, err := New(broken, Default(), 8); err == nil {
		t.Error("a checkpoint without its head is taken")
	}
	if _, err := New(sharesPolicy(), Default(), 8); err == nil {
		t.Error("a checkpoint for 3 workers is taken for 8")
	}
	if _, err := NewCapacityPolicy(sharesPolicy(), 3); err == nil {
		t.Error("a shares policy is taken for a capacity one")
	}
}

func TestLearnedConfigValidate(t *testing.T) {
	if c := Default(); c.Validate() != nil {
		t.Errorf("the default does not validate: %v", c.Validate())
	}
	for why, change := range map[string]func(*Config){
		"gain": func(c *Config) { c.Gain = math.NaN() }, "noise": func(c *Config) { c.Noise = -1 },
		"load": func(c *Config) { c.Load.Alpha = 0 }, "plan": func(c *Config) { c.Plan.Slack = -1 },
	} {
		c := Default()
		if change(&c); c.Validate() == nil {
			t.Errorf("%s: validates", why)
		}
	}
}

func TestFitsJob(t *testing.T) {
	if err := checkpoint.FitsJob(sharesPolicy(), 3); err != nil {
		t.Error(err)
	}
	err := checkpoint.FitsJob(sharesPolicy(), 8)
	if err == nil || !strings.Contains(err.Error(), "trained for 3 workers, the job has 8") {
		t.Errorf("shares: %v", err)
	}
	for _, p := range []int{1, 8, policy.MaxWorkers} {
		if err := checkpoint.FitsJob(checkpoint.UntrainedCapacity(2, 1), p); err != nil {
			t.Errorf("capacity, %d workers: %v", p, err)
		}
	}
	if checkpoint.FitsJob(checkpoint.UntrainedCapacity(2, 1), 0) == nil || checkpoint.FitsJob(checkpoint.UntrainedCapacity(2, 1), policy.MaxWorkers+1) == nil {
		t.Error("impossible jobs fit")
	}
}

package learned

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
)

// poolOf makes a pool of three policies with networks of their own, trained on keys
// that fall off in different ways.
func poolOf() []PoolMember {
	var pool []PoolMember
	for i, shares := range [][]float64{{0.1, 0.1, 0.1, 0.1}, {0.1, 0.05, 0.033}, {0.8, 0.1, 0.01, 0.001}} {
		c := sharesPolicy()
		spec := *c.Shares
		spec.KeyShares = shares
		c.Shares = &spec
		c.Tensors = slices.Clone(c.Tensors)
		last := &c.Tensors[len(c.Tensors)-1] // the head's bias
		last.Data = slices.Clone(last.Data)
		for j := range last.Data {
			last.Data[j] += 0.3 * float32(i*(j%2))
		}
		pool = append(pool, PoolMember{[]string{"even", "falling", "one"}[i], c})
	}
	return pool
}

// falling is hotWindow with keys of n/(rank+1)^power in 10n records.
func falling(counts ...int64) *policy.Window {
	w := hotWindow(3, len(counts), 0, 1000)
	for i, n := range counts {
		w.Hot[i].Count = n
	}
	return w
}

// TestAdaptiveFollowsTheNearest: for each window it decides as the nearest member alone would,
// whatever the names of the keys.
func TestAdaptiveFollowsTheNearest(t *testing.T) {
	config := Default()
	config.Load.Alpha, config.Load.Jump = 1, 0 // no memory: each window as it is
	for _, tc := range []struct {
		why    string
		window *policy.Window // of 10,000 records
		want   string
	}{
		{"all alike", falling(1000, 1000, 1000, 1000), "even"},
		{"zipf", falling(1000, 500, 333, 250), "falling"},
		{"one key is most of it", falling(8000, 1000, 100, 10), "one"},
		{"nearest of none that fits", falling(4400, 600, 200, 100), "falling"},
		{"nearer to the last one", falling(4700, 600, 200, 100), "one"},
	} {
		a, err := NewAdaptive(poolOf(), config, 3)
		if err != nil {
			t.Fatal(err)
		}
		got := a.Decide(tc.window, policy.HashRoute(3)).Route
		if a.Current() != tc.want {
			t.Errorf("%s: %s is followed, not %s", tc.why, a.Current(), tc.want)
			continue
		}
		at := slices.IndexFunc(poolOf(), func(m PoolMember) bool { return m.Name == tc.want })
		alone, err := New(poolOf()[at].Checkpoint, config, 3)
		if err != nil {
			t.Fatal(err)
		}
		want := alone.Decide(tc.window, policy.HashRoute(3)).Route
		if got == nil || want == nil || !slices.EqualFunc(got.Keys, want.Keys, func(x, y policy.KeyRoute) bool {
			return x.Hash == y.Hash && slices.Equal(x.Workers, y.Workers) && slices.Equal(x.Shares, y.Shares)
		}) {
			t.Errorf("%s: route %+v, %s alone decides %+v", tc.why, got, tc.want, want)
		}
	}
}

// TestAdaptiveChanges: one job, whose keys change.
func TestAdaptiveChanges(t *testing.T) {
	config := Default()
	config.Load.Alpha, config.Load.Jump = 1, 0
	a, err := NewAdaptive(poolOf(), config, 3)
	if err != nil {
		t.Fatal(err)
	}
	latest, routes, followed := policy.HashRoute(3), 0, []string{}
	for i := range 9 {
		w := []*policy.Window{falling(1000, 1000, 1000, 1000), falling(1000, 500, 333, 250), falling(8000, 1000, 100, 10)}[i%3]
		w.Busy[0] += float64(i) / 10 // never the same
		if r := a.Decide(w, latest).Route; r != nil {
			latest = r
			routes++
		}
		followed = append(followed, a.Current())
	}
	if want := slices.Repeat([]string{"even", "falling", "one"}, 3); !slices.Equal(followed, want) || routes < 3 {
		t.Errorf("followed %v with %d routes", followed, routes)
	}
	mixed := falling(1000, 1000, 1000, 1000)
	mixed.RouteNew = true
	if a.Decide(mixed, latest).Route != nil || a.Decide(hotWindow(4, 3, 0, 10), latest).Route != nil || a.Decide(hotWindow(3, 0, 0, 10), latest).Route != nil && a.Current() != "one" {
		t.Error("it decides where nothing can be decided")
	}
}

func TestNewAdaptiveRefuses(t *testing.T) {
	silent := poolOf()
	silent[1].Checkpoint.Shares.KeyShares = nil
	for _, tc := range []struct {
		why     string
		pool    []PoolMember
		workers int
		want    string
	}{
		{"an empty pool", nil, 3, "is empty"},
		{"another number of workers", poolOf(), 4, "even: the checkpoint's shares policy was trained for 3 workers"},
		{"a policy for any distribution", append(poolOf(), PoolMember{"all", checkpoint.UntrainedCapacity(4, 1)}), 3, "all: is of kind capacity"},
		{"one that does not tell", silent, 3, "falling: its manifest has no key_shares"},
	} {
		if _, err := NewAdaptive(tc.pool, Default(), tc.workers); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want one with %q", tc.why, err, tc.want)
		}
	}
}

func TestLoadPool(t *testing.T) {
	dir := t.TempDir()
	if _, err := LoadPool(dir); err == nil || !strings.Contains(err.Error(), "no folder") {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := LoadPool(filepath.Join(dir, "missing")); err == nil {
		t.Error("a missing folder is a pool")
	}
	members := poolOf()
	for i, sub := range []string{"b", "a/checkpoints/best", "c/checkpoints/last"} { // a checkpoint and two runs
		if err := checkpoint.Save(filepath.Join(dir, sub), members[i].Checkpoint); err != nil {
			t.Fatal(err)
		}
	}
	pool, err := LoadPool(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range pool {
		names = append(names, m.Name)
	}
	if !slices.Equal(names, []string{"a", "b", "c"}) || pool[0].Checkpoint.Shares.KeyShares[0] != 0.1 || pool[2].Checkpoint.Shares.KeyShares[0] != 0.8 {
		t.Errorf("pool of %v", names)
	}
	if _, err := LoadPool(filepath.Join(dir, "a")); err == nil || !strings.Contains(err.Error(), "checkpoints") {
		t.Errorf("a run is taken for a pool: %v", err)
	}
}

package rival

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/routertest"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// The table of docs/algorithms.md, "dchoices and wchoices": the head's size and its choices at exact
// frequencies of 10,000 zipf keys.
func TestHeadChoicesReproduceThePublishedTable(t *testing.T) {
	exponents := []float64{0.8, 1.0, 1.2, 1.5, 2.0}
	for _, row := range []struct {
		workers int
		want    [5]string
	}{
		{16, [5]string{"3,2", "8,2", "10,6", "9,11", "6,16"}},
		{64, [5]string{"21,3", "32,8", "33,17", "24,34", "13,62"}},
		{128, [5]string{"52,5", "65,15", "58,32", "39,65", "19,121"}},
	} {
		for i, z := range exponents {
			head := stream.ZipfPMF(10000, z)
			n := 0
			for n < len(head) && head[n]*5*float64(row.workers) >= 1 {
				n++
			}
			d := headChoices(head[:n], row.workers, 1e-4)
			if got := fmt.Sprintf("%d,%d", n, d); got != row.want[i] {
				t.Errorf("P %d, zipf %.1f: |H|,d = %s, want %s", row.workers, z, got, row.want[i])
			}
		}
	}
}

func TestHeadChoicesAtTheEdges(t *testing.T) {
	for _, c := range []struct {
		why     string
		head    []float64
		workers int
		want    int
	}{
		{"no head: two choices are enough", nil, 16, 2},
		{"one worker is all there is", []float64{1}, 1, 1},
		{"one worker, no head", nil, 1, 1},
		{"two workers are two choices", []float64{0.6, 0.4}, 2, 2},
		{"one key with every record needs every worker", []float64{1}, 16, 16},
		{"a key at its fair share", []float64{1.0 / 16}, 16, 2},
	} {
		if got := headChoices(c.head, c.workers, 1e-4); got != c.want {
			t.Errorf("%s: headChoices(%v, %d) = %d, want %d", c.why, c.head, c.workers, got, c.want)
		}
	}
}

// On a long stream the router's own estimates lead to the d of exact frequencies,
// give or take one where the sketch's error falls near a step.
func TestDChoicesEstimatesItsChoices(t *testing.T) {
	for _, c := range []struct {
		workers int
		z       float64
		want    int
	}{{16, 1.2, 6}, {16, 1.5, 11}, {64, 1.0, 8}, {64, 1.5, 34}, {64, 2.0, 62}} {
		r := newChoicesRouter(DefaultChoices(), routertest.Env(c.workers), false, false)
		feed(r, 400, 1024, c.z)
		if r.d < c.want-1 || r.d > c.want+1 {
			t.Errorf("P %d, zipf %.1f: d = %d after 400k records, want about %d", c.workers, c.z, r.d, c.want)
		}
	}
}

// feed routes count batches of a zipf stream over 10,000 keys.
func feed(r partition.Router, count, size int, z float64) {
	dst := make([]partition.Dest, size)
	for _, b := range routertest.ZipfBatches(count, size, 10000, z, 11) {
		r.Route(&b, dst)
	}
}

// What is mended: the published code counts the sketch's error twice. Three keys
// take turns in a sketch of two counters, so that every count is all error.
func TestPublishedChoicesAddTheErrorTwice(t *testing.T) {
	c := DefaultChoices()
	c.Counters = 2
	mended, faulty := newChoicesRouter(c, routertest.Env(8), true, false), newChoicesRouter(c, routertest.Env(8), true, true)
	count, err := int64(7), int64(3)
	if got := mended.count(count, err); got != 7 {
		t.Errorf("mended: a counter at 7, 3 of it error, counts for %d, want 7", got)
	}
	if got := faulty.count(count, err); got != 10 {
		t.Errorf("published: a counter at 7, 3 of it error, counts for %d, want 10", got)
	}

	// Just below the threshold by its count, above it by count and error: the
	// record goes by two choices, or to the least loaded of all.
	warm := func(r *choicesRouter) int {
		r.sketch.ObserveN(2, "", 3)
		r.sketch.ObserveN(3, "", 322)
		r.sketch.ObserveN(1, "", 4) // in the place of key 2: a count of 7, 3 of it error; with the record's own 330 records, and 1/(5P) of that 8.25
		for w := range r.loads {
			r.loads[w] = 100
		}
		free := 0
		for free == choice(1, 0, 8) || free == choice(1, 1, 8) {
			free++
		}
		r.loads[free] = 0
		dst := make([]partition.Dest, 1)
		r.Route(routertest.BatchOf([]uint64{1}), dst)
		if dst[0].Worker() == free {
			return 8
		}
		return 2
	}
	if got := warm(mended); got != 2 {
		t.Errorf("mended: a key at 8 of 330 records at P 8 had %d choices, want 2", got)
	}
	if got := warm(faulty); got != 8 {
		t.Errorf("published: a key at 8+3 of 330 records at P 8 had %d choices, want 8", got)
	}
}

// naiveChoices is the rule of dchoices and wchoices spelled out: exact scans, a
// list for a sketch.
type naiveChoices struct {
	workers, d int
	all        bool
	sketch     routertest.NaiveSketch
	total      int64
	loads      []int64
}

func sameHash(hash uint64) func(policy.HotKey) bool {
	return func(k policy.HotKey) bool { return k.Hash == hash }
}

func (n *naiveChoices) route(hash uint64) int {
	n.total++
	n.sketch.Observe(hash, "", 1)
	count := n.sketch.Keys[slices.IndexFunc(n.sketch.Keys, sameHash(hash))].Count
	var candidates []int
	switch head := count*5*int64(n.workers) >= n.total; {
	case head && (n.all || n.d >= n.workers):
		for w := range n.workers {
			candidates = append(candidates, w)
		}
	case head:
		for i := range n.d {
			candidates = append(candidates, choice(hash, i, uint64(n.workers)))
		}
	default:
		candidates = []int{choice(hash, 0, uint64(n.workers)), choice(hash, 1, uint64(n.workers))}
	}
	best := candidates[0]
	for _, w := range candidates {
		if n.loads[w] < n.loads[best] {
			best = w
		}
	}
	n.loads[best]++
	return best
}

func TestChoicesEqualTheirNaiveTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := rapid.IntRange(1, 40).Draw(t, "workers")
		all := rapid.Bool().Draw(t, "wchoices")
		c := DefaultChoices()
		c.Counters = rapid.IntRange(1, 30).Draw(t, "counters")
		r := newChoicesRouter(c, routertest.Env(workers), all, false)
		slow := &naiveChoices{workers: workers, all: all, loads: make([]int64, workers)}
		slow.sketch.M = c.Counters
		for range rapid.IntRange(1, 8).Draw(t, "batches") {
			hashes := routertest.DrawStream(t, "batch")
			dst := make([]partition.Dest, len(hashes))
			r.Route(routertest.BatchOf(hashes), dst)
			slow.d = r.d
			for i, h := range hashes {
				if want := slow.route(h); dst[i].Worker() != want {
					t.Fatalf("record %d of key %d went to %d, want %d", i, h, dst[i].Worker(), want)
				}
				if merge := dst[i]&partition.Merge != 0; merge != (workers > 1) {
					t.Fatalf("record %d at P %d: merge is %v", i, workers, merge)
				}
			}
		}
	})
}

func TestPKGTakesTheLighterOfTwo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := rapid.IntRange(1, 40).Draw(t, "workers")
		hashes := routertest.DrawStream(t, "stream")
		dst := make([]partition.Dest, len(hashes))
		NewPKG(routertest.Env(workers)).Route(routertest.BatchOf(hashes), dst)
		loads := make([]int, workers)
		for i, h := range hashes {
			a, b := choice(h, 0, uint64(workers)), choice(h, 1, uint64(workers))
			want := a
			if loads[b] < loads[a] {
				want = b
			}
			loads[want]++
			if dst[i].Worker() != want || (dst[i]&partition.Merge != 0) != (a != b) {
				t.Fatalf("record %d of key %d: %#x; choices %d and %d, want %d", i, h, dst[i], a, b, want)
			}
		}
	})
}

// The choices of a key are spread evenly, and those of different numbers are
// independent: about 1/P of the keys have two equal ones.
func TestChoicesAreSpread(t *testing.T) {
	const workers, keys = 16, 64000
	var counts [4][workers]int
	equal := 0
	for k := range keys {
		hash := uint64(k) // also of keys whose hashes are not well mixed
		for i := range counts {
			counts[i][choice(hash, i, workers)]++
		}
		if choice(hash, 0, workers) == choice(hash, 1, workers) {
			equal++
		}
	}
	for i := range counts {
		chi := 0.0
		for _, n := range counts[i] {
			chi += float64((n-keys/workers)*(n-keys/workers)) / (keys / workers)
		}
		if chi > 45 { // 15 degrees of freedom: beyond the 0.9999 quantile, 44.3
			t.Errorf("choice %d: chi-square %.1f over %v", i, chi, counts[i])
		}
	}
	if equal < 3700 || equal > 4300 { // mean 4000, deviation 61
		t.Errorf("%d of %d keys have two equal choices of %d", equal, keys, workers)
	}
}

// What the head is for: at zipf 1.5 and P 64 pkg overloads two workers with the
// heaviest key, dchoices and wchoices balance.
func TestChoicesBalance(t *testing.T) {
	imbalance := map[string]float64{}
	env := routertest.Env(64)
	for name, r := range map[string]partition.Router{
		"hash": NewHash(env), "pkg": NewPKG(env),
		"dchoices": NewDChoices(DefaultChoices(), env, false), "wchoices": NewWChoices(DefaultChoices(), env, false),
	} {
		loads := make([]float64, 64)
		dst := make([]partition.Dest, 1024)
		for _, b := range routertest.ZipfBatches(300, 1024, 10000, 1.5, 5) {
			r.Route(&b, dst)
			for _, d := range dst {
				loads[d.Worker()]++
			}
		}
		imbalance[name] = slices.Max(loads)/(300*1024/64) - 1
	}
	if !(imbalance["hash"] > 20 && imbalance["pkg"] > 8 && imbalance["pkg"] < imbalance["hash"]) {
		t.Errorf("imbalance %v: hash must be beyond 20, pkg between 8 and that", imbalance)
	}
	if imbalance["dchoices"] > 0.05 || imbalance["wchoices"] > 0.01 {
		t.Errorf("imbalance %v: dchoices must be below 0.05, wchoices below 0.01", imbalance)
	}
}

func TestChoicesConfigRefusesImpossibleValues(t *testing.T) {
	for _, c := range []struct {
		path   string
		change func(*ChoicesConfig)
	}{
		{"head", func(c *ChoicesConfig) { c.Head = 0 }},
		{"epsilon", func(c *ChoicesConfig) { c.Epsilon = -1 }},
		{"counters", func(c *ChoicesConfig) { c.Counters = -1 }},
		{"refresh", func(c *ChoicesConfig) { c.Refresh = 0 }},
	} {
		cfg := DefaultChoices()
		c.change(&cfg)
		var at *field.Error
		if err := cfg.Validate(); !errors.As(err, &at) || at.Path != c.path {
			t.Errorf("%s: %v", c.path, err)
		}
	}
}

package dataset

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
)

// Hashes of the keys of hand-made traces.
const (
	keyA, keyB, keyC = 0xa, 0xb, 0xc
)

// handWindow is a window of two workers and three hot keys whose observation and
// reward are easy to work out: key A has 60 records of 100, B 30, C 10.
func handWindow(episode, step int, counts [2]int64, busy [2]float64, realised ...policy.RealisedShare) *policy.Window {
	return &policy.Window{
		Episode: episode, Step: step, Records: 100, Counts: counts[:], Busy: busy[:], Realised: realised,
		Hot: []policy.HotKey{{Hash: keyB, Count: 30}, {Hash: keyA, Count: 60}, {Hash: keyC, Count: 12, Error: 4}},
	}
}

func at(hash uint64, worker int, count int64) policy.RealisedShare {
	return policy.RealisedShare{Hash: hash, Worker: worker, Count: count}
}

// handConfig has a mask of the two heaviest keys at both workers.
func handConfig() TransitionConfig {
	c := DefaultTransitions()
	c.HotKeys, c.HeldOut, c.Observation = 3, 0, policy.PublishedObservation
	c.Mask = policy.MaskConfig{TrueHot: 2, Spread: 2}
	return c
}

// policyFor is a policy of a mask; nil if that is.
func policyFor(m *policy.Mask) *checkpoint.SharesSpec {
	if m == nil {
		return nil
	}
	return &checkpoint.SharesSpec{Workers: m.Workers, Mask: m.Keys, HotKeys: 3}
}

func put(t testing.TB, m Meta, windows ...*policy.Window) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x"+Ext)
	writeTrace(t, path, m, windows, true)
	return path
}

// all are a store's transitions.
func all(t interface{ Fatal(args ...any) }, s *Store) *Columns {
	at := make([]int, s.Len())
	for i := range at {
		at[i] = i
	}
	c := NewColumns(s.Len(), s.Widths())
	if err := s.Read(at, c); err != nil {
		t.Fatal(err)
	}
	return c
}

func load(t testing.TB, l Load) *Transitions {
	t.Helper()
	tr, err := l.Do(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

// TestGolden checks every number of transitions worked out by hand.
//
// Counts 75 and 25: mean 50, std 25, so (x-50)/125+1 is 1.2 and 0.8. Busy ratios 0.6
// and 0.2: mean 0.4, imbalance 0.5 but for 1e-6 in the denominator, nmad 0.5, so perf
// is 0.5, f = 1/6 and the reward 49/36-1 = 13/36. Equal busy ratios: perf 0, f = 1, 3.
func TestGolden(t *testing.T) {
	path := put(t, smallMeta,
		handWindow(0, 0, [2]int64{75, 25}, [2]float64{0.6, 0.2}, at(keyA, 0, 60)),
		handWindow(0, 1, [2]int64{50, 50}, [2]float64{0.5, 0.5}, at(keyA, 0, 40), at(keyA, 1, 20), at(keyB, 1, 30)),
		handWindow(0, 2, [2]int64{75, 25}, [2]float64{1, 1.0 / 3}, at(keyA, 0, 30), at(keyA, 1, 30), at(keyB, 0, 10), at(keyB, 1, 20), at(keyC, 1, 9)),
		handWindow(1, 0, [2]int64{75, 25}, [2]float64{0.6, 0.2}),
		handWindow(1, 1, [2]int64{75, 25}, [2]float64{0.6, 0.2}, at(keyA, 1, 60), at(keyB, 0, 1), at(keyB, 1, 4)),
	)
	skewed, even := []float32{1.2, 0.8, 0.6, 0.2}, []float32{1, 1, 0.5, 0.5}
	saturated := []float32{1.2, 0.8, 2, 1.0 / 3}
	const better = 13.0 / 36
	mended := &Columns{
		Obs:       slices.Concat(skewed, even, skewed),
		Act:       []float32{1, 0, -1, 1, 1, 1, 0, 1, -1, 1, -0.5, 1},
		Reward:    []float32{3, better, better},
		Next:      slices.Concat(even, saturated, skewed),
		Terminal:  []float32{0, 0, 0},
		Truncated: []float32{0, 1, 1},
	}
	published := *mended
	flat := []float32{2, 2, 0.5, 0.5}
	published.Obs, published.Next = slices.Concat(skewed, flat, skewed), slices.Concat(flat, saturated, skewed)
	published.Act = []float32{1, 0.5, 0, 1, 1, 1, 0.5, 1, 0, 1, 0.25, 1}
	published.Terminal = []float32{0, 1, 1}

	for _, c := range []struct {
		why       string
		published bool
		memory    int
		want      *Columns
	}{
		{"the policy's own space, episodes cut off", false, 1, mended},
		{"as published", true, 1, &published},
		{"kept on disk", false, 0, mended},
	} {
		config := handConfig()
		config.Published, config.MemoryMB = c.published, c.memory
		tr := load(t, Load{Config: config, Files: []string{path}})
		if diff := cmp.Diff(c.want, all(t, tr.Train), cmpopts.EquateApprox(0, 1e-5)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.why, diff)
		}
		if tr.Workers != 2 || tr.Windows != 5 || tr.Episodes != 2 || tr.HeldOut.Len() != 0 || tr.Skipped != (Skipped{}) {
			t.Errorf("%s: %d workers, %d windows, %d episodes, %d held out, skipped %+v", c.why, tr.Workers, tr.Windows, tr.Episodes, tr.HeldOut.Len(), tr.Skipped)
		}
		// Half of C's error is another key's: 12 - 2 of 100.
		if diff := cmp.Diff([]float64{0.6, 0.3, 0.1}, tr.Spec.KeyShares, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
			t.Errorf("%s: shares of the ranks:\n%s", c.why, diff)
		}
		if (tr.Train.file != nil) != (c.memory == 0) {
			t.Errorf("%s: in memory: %v", c.why, tr.Train.file == nil)
		}
	}
}

// TestPairs checks which pairs of windows make a transition.
func TestPairs(t *testing.T) {
	told := []policy.RealisedShare{at(keyA, 0, 40), at(keyA, 1, 20), at(keyB, 1, 30)}
	good := func(step int) *policy.Window {
		return handWindow(0, step, [2]int64{50, 50}, [2]float64{0.5, 0.5}, told...)
	}
	change := func(step int, f func(w *policy.Window)) *policy.Window {
		w := good(step)
		f(w)
		return w
	}
	route := func(w *policy.Window) {
		w.Realised = told[:2]
		w.Route = &policy.Route{Workers: 2, Slots: []uint16{0, 1}, Keys: []policy.KeyRoute{{Hash: keyB, Workers: []uint16{1}, Shares: []float64{1}}}}
	}
	narrow := policy.Mask{Workers: 2, Keys: [][]uint16{{0}, {0, 1}}}
	for _, c := range []struct {
		why    string
		second *policy.Window
		config func(c *TransitionConfig)
		mask   *policy.Mask
		want   Skipped
	}{
		{"nothing is wrong", good(1), nil, nil, Skipped{}},
		{"the window between them is missing", good(2), nil, nil, Skipped{Gap: 1}},
		{"the second has no reward when a worker did not report", change(1, func(w *policy.Window) { w.Busy = []float64{math.NaN(), 0.5} }), nil, nil, Skipped{Missing: 1}},
		{"realised counts are right in a window of two routes", change(1, func(w *policy.Window) { w.RouteNew = true }), nil, nil, Skipped{}},
		{"but may be unwanted", change(1, func(w *policy.Window) { w.RouteNew = true }), func(c *TransitionConfig) { c.DropMixed = true }, nil, Skipped{Mixed: 1}},
		{"a hot key is not split, by whatever partitioner", change(1, func(w *policy.Window) { w.Realised = told[:2] }), nil, nil, Skipped{Untold: 1}},
		{"the route tells where it went", change(1, route), nil, nil, Skipped{}},
		{"unless it changed in the window", change(1, func(w *policy.Window) { route(w); w.RouteNew = true }), nil, nil, Skipped{Untold: 1}},
		{"a key without records went nowhere", change(1, func(w *policy.Window) { w.Hot, w.Realised = w.Hot[1:2], told[:2] }), nil, nil, Skipped{}},
		{"20 of 90 records are outside the mask", good(1), nil, &narrow, Skipped{Outside: 1}},
		{"which may be allowed", good(1), func(c *TransitionConfig) { c.Inside = 0.7 }, &narrow, Skipped{}},
		{"a key with one worker needs no realised counts", change(1, func(w *policy.Window) { w.Realised = told[2:] }), func(c *TransitionConfig) { c.Inside = 0.7 }, &narrow, Skipped{}},
	} {
		first := good(0)
		first.Busy = []float64{math.NaN(), 0.2} // a worker that did not report is observed as saturated
		path := put(t, smallMeta, first, c.second, good(10), good(11))
		config := handConfig()
		config.Inside = 0.8
		if c.config != nil {
			c.config(&config)
		}
		// A first worker that never reported would leave no transition; the last two
		// windows make one in any case, and a gap before them.
		c.want.Gap++
		tr, err := Load{Config: config, Files: []string{path}, For: policyFor(c.mask)}.Do(context.Background())
		if c.mask != nil && c.want.Outside > 0 {
			if err == nil || !strings.Contains(err.Error(), "2 with hot keys at workers outside the mask; give mask") {
				t.Errorf("%s: error %v", c.why, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		if tr.Skipped != c.want {
			t.Errorf("%s: skipped %+v, want %+v", c.why, tr.Skipped, c.want)
		}
		if rows := 3 - tr.Skipped.Total(); tr.Train.Len() != rows {
			t.Errorf("%s: %d transitions, want %d", c.why, tr.Train.Len(), rows)
		} else if rows == 2 && all(t, tr.Train).Obs[2] != 2 {
			t.Errorf("%s: a worker that did not report is observed as %v, want saturated, 2", c.why, all(t, tr.Train).Obs[2])
		}
		tr.Close()
	}
}

// TestGrowingTrace loads a trace that was never closed and that grows while it is
// read: what was there when reading began counts.
func TestGrowingTrace(t *testing.T) {
	window := func(step int) *policy.Window {
		return handWindow(0, step, [2]int64{50, 50}, [2]float64{0.5, 0.5}, at(keyA, 0, 60), at(keyB, 1, 30))
	}
	windows := []*policy.Window{window(0), window(1), window(2)}
	path := filepath.Join(t.TempDir(), "x"+Ext)
	w := writeTrace(t, path, smallMeta, windows, false)
	defer w.Close()
	tr := load(t, Load{Config: handConfig(), Files: []string{path}, Watch: func(read, all int64) {
		if read != 3 || all != 0 {
			return
		}
		for step := 3; step < 5; step++ {
			if err := w.Write(window(step)); err != nil {
				t.Fatal(err)
			}
		}
	}})
	if tr.Windows != 3 || tr.Train.Len() != 2 || w.Windows() != 5 {
		t.Errorf("%d windows made %d transitions; 3 of then %d were there", tr.Windows, tr.Train.Len(), w.Windows())
	}
}

// TestRanks checks that keys go by their ranks, over the episode or in the window
// that a decision follows.
func TestRanks(t *testing.T) {
	swap := func(w *policy.Window, a, b int64) *policy.Window {
		w.Hot = []policy.HotKey{{Hash: keyA, Count: a}, {Hash: keyB, Count: b}}
		return w
	}
	told := []policy.RealisedShare{at(keyA, 0, 5), at(keyB, 1, 5)}
	window := func(step int, a, b int64) *policy.Window {
		return swap(handWindow(0, step, [2]int64{50, 50}, [2]float64{0.5, 0.5}, told...), a, b)
	}
	path := put(t, smallMeta, window(0, 60, 20), window(1, 20, 50), window(2, 20, 10))
	aFirst, bFirst := []float32{1, -1, -1, 1}, []float32{-1, 1, 1, -1}
	for _, c := range []struct {
		rank   Ranking
		want   []float32
		shares []float64
	}{
		{ByEpisode, slices.Concat(aFirst, aFirst), []float64{1.0 / 3, 0.8 / 3}},
		{ByWindow, slices.Concat(aFirst, bFirst), []float64{1.3 / 3, 0.5 / 3}},
	} {
		config := handConfig()
		config.Rank = c.rank
		tr := load(t, Load{Config: config, Files: []string{path}})
		if got := all(t, tr.Train).Act; !slices.Equal(got, c.want) {
			t.Errorf("by %s: actions %v, want %v", c.rank, got, c.want)
		}
		if diff := cmp.Diff(c.shares, tr.Spec.KeyShares, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
			t.Errorf("by %s: shares:\n%s", c.rank, diff)
		}
	}
}

// TestMask checks where the mask comes from, in order.
func TestMask(t *testing.T) {
	told := []policy.RealisedShare{at(keyA, 0, 30), at(keyA, 1, 30), at(keyB, 0, 15), at(keyB, 1, 15)}
	windows := []*policy.Window{
		handWindow(0, 0, [2]int64{50, 50}, [2]float64{0.5, 0.5}, told...),
		handWindow(0, 1, [2]int64{50, 50}, [2]float64{0.5, 0.5}, told...),
	}
	config := handConfig()
	config.Mask, config.Inside = policy.MaskConfig{TrueHot: 2}, 0
	given := policy.Mask{Workers: 2, Keys: [][]uint16{{1}, {0, 1}}}
	// 60 : 30 divide a line of length 2 at 4/3: the first key touches both workers.
	derived := policy.Mask{Workers: 2, Keys: [][]uint16{{0, 1}, {1}}}
	for _, c := range []struct {
		why   string
		meta  Meta
		given *policy.Mask
		want  policy.Mask
	}{
		{"made from the mean shares", smallMeta, nil, derived},
		{"the caller's goes first", smallMeta, &given, given},
	} {
		tr := load(t, Load{Config: config, Files: []string{put(t, c.meta, windows...)}, For: policyFor(c.given)})
		if diff := cmp.Diff(c.want, tr.Mask); diff != "" {
			t.Errorf("%s:\n%s", c.why, diff)
		}
		if tr.Train.Widths() != (Widths{Obs: 4, Act: c.want.Pairs()}) {
			t.Errorf("%s: widths %+v", c.why, tr.Train.Widths())
		}
	}
}

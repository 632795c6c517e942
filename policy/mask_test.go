package policy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

func TestMaskReferenceCheck(t *testing.T) {
	d := stream.ZipfPMF(10000, 1.5)[:10]
	m := policy.NewMask(d, 64, policy.DefaultMask())
	got := make([][2]int, len(m.Keys))
	for i, ws := range m.Keys {
		got[i] = [2]int{int(ws[0]), int(ws[len(ws)-1])}
	}
	want := [][2]int{{0, 32}, {32, 43}, {43, 49}, {49, 53}, {53, 56}, {56, 58}, {58, 60}, {60, 61}, {61, 62}, {62, 63}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the published mask, 64 workers (-want +got):\n%s", diff)
	}
	if n := m.Pairs(); n != 73 {
		t.Errorf("64 workers: %d pairs; the published action has 73", n)
	}
	m = policy.NewMask(d, 8, policy.MaskConfig{TrueHot: 10})
	if n := m.Pairs(); n != 17 {
		t.Errorf("8 workers: %d pairs; the published mask has 17", n)
	}
}

func TestTrueHot(t *testing.T) {
	for _, tc := range []struct {
		why       string
		d         []float64
		workers   int
		published bool
		want      int
	}{
		{"4*0.1 = 0.4 is the first at or below its cumulative sum, 1", []float64{0.5, 0.4, 0.1}, 4, false, 2},
		{"the scale of d does not matter", []float64{5, 4, 1}, 4, false, 2},
		{"one worker: 1*d[0] <= d[0], nothing to split", []float64{0.5, 0.5}, 1, false, 0},
		{"every key is heavy: all of them", stream.ZipfPMF(10000, 1.5)[:10], 64, false, 10},
		{"SaSPartitioner's prototype answers 0 there", stream.ZipfPMF(10000, 1.5)[:10], 64, true, 0},
		{"no keys", nil, 8, false, 0},
	} {
		if got := policy.TrueHot(tc.d, tc.workers, tc.published); got != tc.want {
			t.Errorf("%s: TrueHot = %d, want %d", tc.why, got, tc.want)
		}
	}
}

func TestMaskOptions(t *testing.T) {
	for _, tc := range []struct {
		why  string
		d    []float64
		p    int
		c    policy.MaskConfig
		want [][]uint16
	}{
		{"two equal keys halve the line", []float64{1, 1}, 4, policy.MaskConfig{TrueHot: 2}, [][]uint16{{0, 1}, {2, 3}}},
		{"the boundary at 1.5 makes them share worker 1", []float64{1, 1}, 3, policy.MaskConfig{TrueHot: 2}, [][]uint16{{0, 1}, {1, 2}}},
		{"a spread key has every worker, the rest divide the whole line", []float64{8, 1, 1}, 2, policy.MaskConfig{TrueHot: 3, Spread: 1}, [][]uint16{{0, 1}, {0}, {1}}},
		{"a key without weight still has a worker", []float64{1, 0}, 2, policy.MaskConfig{TrueHot: 2}, [][]uint16{{0, 1}, {1}}},
		{"a reach widens to both sides, and puts all keys into the mask", []float64{4, 3, 1}, 4, policy.MaskConfig{Reach: 3}, [][]uint16{{0, 1, 2}, {1, 2, 3}, {1, 2, 3}}},
		{"or only the true hot ones", []float64{4, 3, 1}, 4, policy.MaskConfig{Reach: 1, TrueHot: 1}, [][]uint16{{0, 1, 2, 3}}},
		{"a reach beyond the workers is all of them", []float64{1, 1}, 2, policy.MaskConfig{Reach: 9}, [][]uint16{{0, 1}, {0, 1}}},
		{"no more true hot keys than keys", []float64{1}, 2, policy.MaskConfig{TrueHot: 5}, [][]uint16{{0, 1}}},
	} {
		if diff := cmp.Diff(tc.want, policy.NewMask(tc.d, tc.p, tc.c).Keys); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.why, diff)
		}
	}
}

// For any distribution, every true hot key has a worker, and its workers are in range and
// ascending. The keys that are not spread cover all workers with at most one additional pair
// per key.
func TestMaskProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.IntRange(1, 257).Draw(t, "workers")
		d := stream.ZipfPMF(rapid.IntRange(1, 40).Draw(t, "keys"), rapid.Float64Range(0, 3).Draw(t, "exponent"))
		c := policy.MaskConfig{Spread: rapid.IntRange(0, 5).Draw(t, "spread"), TrueHot: rapid.IntRange(0, 50).Draw(t, "hot"), Reach: rapid.IntRange(0, 4).Draw(t, "reach")}
		m := policy.NewMask(d, p, c)
		covered := make([]bool, p)
		for i, ws := range m.Keys {
			if len(ws) < min(max(c.Reach, 1), p) {
				t.Fatalf("key %d has the workers %v", i, ws)
			}
			for j, w := range ws {
				if int(w) >= p || j > 0 && w <= ws[j-1] {
					t.Fatalf("key %d: workers %v of %d", i, ws, p)
				}
				covered[w] = covered[w] || i >= c.Spread
			}
		}
		if len(m.Keys) <= c.Spread {
			return
		}
		for w, ok := range covered {
			if !ok {
				t.Fatalf("worker %d of %d serves no key", w, p)
			}
		}
		if n, most := m.Pairs(), min(c.Spread, len(m.Keys))*p+p+(2+c.Reach)*len(m.Keys); n > most {
			t.Fatalf("%d pairs, more than %d", n, most)
		}
	})
}

func TestMaskConfigValidate(t *testing.T) {
	if c := policy.DefaultMask(); c.Validate() != nil {
		t.Errorf("the default does not validate: %v", c.Validate())
	}
	for _, c := range []policy.MaskConfig{{Spread: -1}, {TrueHot: -1}, {Reach: -1}} {
		if c.Validate() == nil {
			t.Errorf("%+v validates", c)
		}
	}
}

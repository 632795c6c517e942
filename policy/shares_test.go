package policy_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// hotKeys names n keys, spread over the slots.
func hotKeys(n int) []policy.HotKey {
	hot := make([]policy.HotKey, n)
	for i := range hot {
		hot[i] = policy.HotKey{Name: string(rune('a' + i%26)), Hash: uint64(i+1) * 0x9e3779b97f4a7c15}
	}
	return hot
}

func TestSharesRoute(t *testing.T) {
	s := policy.Shares{Mask: policy.Mask{Workers: 3, Keys: [][]uint16{{0, 1, 2}, {1, 2}, {2}}}, Hot: hotKeys(4)}
	r, err := s.Route([]float64{0.2, 0, 0.6, 0, 0, 0.5})
	if err != nil {
		t.Fatal(err)
	}
	want := []policy.KeyRoute{
		{Hash: s.Hot[0].Hash, Name: "a", Workers: []uint16{0, 2}, Shares: []float64{0.25, 0.75}},                // normalised, without the zero
		{Hash: s.Hot[1].Hash, Name: "b", Workers: []uint16{1, 2}, Shares: []float64{0.5, 0.5}},                  // all 0: even over its workers
		{Hash: s.Hot[2].Hash, Name: "c", Workers: []uint16{2}, Shares: []float64{1}},                            // one worker
		{Hash: s.Hot[3].Hash, Name: "d", Workers: []uint16{0, 1, 2}, Shares: []float64{1. / 3, 1. / 3, 1. / 3}}, // past the true hot ones: even
	}
	if diff := cmp.Diff(want, r.Keys, near); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(policy.HashRoute(3).Slots, r.Slots); diff != "" || r.Version != 0 || r.Validate() != nil {
		t.Errorf("slots not by hash, version %d, or invalid: %v", r.Version, r.Validate())
	}
	for why, action := range map[string][]float64{
		"too short": {1}, "NaN": {1, 1, 1, 1, 1, math.NaN()}, "above 1": {1, 1, 1, 1, 1, 1.5}, "negative": {1, 1, 1, 1, 1, -0.1},
	} {
		if _, err := s.Route(action); err == nil {
			t.Errorf("%s: no error", why)
		}
	}
	s.Hot = s.Hot[:2]
	if _, err := s.Route([]float64{1, 1, 1, 1, 1, 1}); err == nil {
		t.Error("fewer hot keys than the mask has: no error")
	}
}

func TestSharesAction(t *testing.T) {
	s := policy.Shares{Mask: policy.Mask{Workers: 3, Keys: [][]uint16{{0, 1, 2}, {1, 2}, {2}}}, Hot: hotKeys(4)}
	got := s.Action([]float64{-1}, []policy.RealisedShare{
		{Hash: s.Hot[0].Hash, Worker: 0, Count: 10}, {Hash: s.Hot[0].Hash, Worker: 2, Count: 40},
		{Hash: s.Hot[2].Hash, Worker: 2, Count: 3}, {Hash: s.Hot[2].Hash, Worker: 0, Count: 9}, // worker 0 is not in its mask
		{Hash: s.Hot[3].Hash, Worker: 1, Count: 5}, // not a true hot key
	})
	// after what was in dst: 10/40, 0, 40/40; no counts: ones; 3/3
	if diff := cmp.Diff([]float64{-1, 0.25, 0, 1, 1, 1, 1}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The three views of an action agree: realising a route and reading the action
// back gives the same route, and Loads is what the route sends.
func TestSharesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.IntRange(1, 40).Draw(t, "workers")
		n := rapid.IntRange(1, 20).Draw(t, "keys")
		d := stream.ZipfPMF(n, rapid.Float64Range(0, 2).Draw(t, "exponent"))
		s := policy.Shares{Mask: policy.NewMask(d, p, policy.MaskConfig{TrueHot: rapid.IntRange(1, n).Draw(t, "true")}), Hot: hotKeys(n)}
		action := make([]float64, s.Dim())
		for i := range action {
			action[i] = float64(rapid.IntRange(0, 100).Draw(t, "a")) / 100
		}
		r, err := s.Route(action)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Validate(); err != nil {
			t.Fatal(err)
		}
		loads, want := make([]float64, p), make([]float64, p)
		s.Mask.Loads(loads, d, action)
		var realised []policy.RealisedShare
		for rank, k := range r.Keys {
			for i, w := range k.Workers {
				want[w] += d[rank] * k.Shares[i]
				realised = append(realised, policy.RealisedShare{k.Hash, int(w), int64(math.Round(k.Shares[i] * 1e12))})
			}
		}
		if diff := cmp.Diff(want, loads, near); diff != "" {
			t.Fatalf("loads (-route +Loads):\n%s", diff)
		}
		again, err := s.Route(s.Action(nil, realised))
		if err != nil {
			t.Fatal(err)
		}
		for rank := range r.Keys {
			if diff := cmp.Diff(r.Keys[rank], again.Keys[rank], cmpopts.EquateApprox(0, 1e-9)); diff != "" {
				t.Fatalf("key %d (-route +again):\n%s", rank, diff)
			}
		}
	})
}

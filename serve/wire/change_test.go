package wire

import (
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/internal/memtest"
	"github.com/saspart/saspart/policy"
)

// drawRoute is a route for 300 workers, most of which is as in another.
func drawRoute(rng *rand.Rand, like *policy.Route) *policy.Route {
	r := &policy.Route{Version: like.Version + 1 + rng.Uint64N(3), Workers: 300, Slots: slices.Clone(like.Slots)}
	for range rng.IntN(2 + len(r.Slots)/(1+rng.IntN(100))) {
		r.Slots[rng.IntN(len(r.Slots))] = uint16(rng.IntN(300))
	}
	if rng.IntN(20) == 0 { // nothing
		for i := range r.Slots {
			r.Slots[i] = uint16(rng.IntN(300))
		}
	}
	key := func(hash uint64) policy.KeyRoute {
		k := policy.KeyRoute{Hash: hash, Name: string(rune('a' + hash%26))}
		n := 1 + rng.IntN(2)*rng.IntN(4)
		for w := range n {
			k.Workers, k.Shares = append(k.Workers, uint16(w*70+rng.IntN(70))), append(k.Shares, 1/float64(n))
		}
		return k
	}
	for _, k := range like.Keys {
		switch rng.IntN(20) {
		case 0:
		case 1:
			r.Keys = append(r.Keys, key(k.Hash))
		default:
			r.Keys = append(r.Keys, k)
		}
	}
	for range rng.IntN(20) {
		if k := key(rng.Uint64()); rng.IntN(20) > 0 {
			r.Keys = append(r.Keys, k)
		}
	}
	if rng.IntN(3) == 0 {
		rng.Shuffle(len(r.Keys), func(i, j int) { r.Keys[i], r.Keys[j] = r.Keys[j], r.Keys[i] })
	}
	return r
}

// One change after the other makes the routes that were sent, with their keys in whatever
// order; none is longer than its route, and most are much shorter.
func TestChangesOfRoutesComeBack(t *testing.T) {
	byHash := func(r *policy.Route) map[uint64]policy.KeyRoute {
		m := map[uint64]policy.KeyRoute{}
		for _, k := range r.Keys {
			m[k.Hash] = k
		}
		return m
	}
	short, whole := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		sent := policy.HashRoute(300)
		sent.Version = 7
		here := sent
		for range 10 {
			next := drawRoute(rng, sent)
			frame := AppendDecision(nil, &Decision{Route: next, Base: sent})
			alone := AppendDecision(nil, &Decision{Route: next})
			switch {
			case len(frame) > len(alone):
				t.Fatalf("%d bytes in place of %d", len(frame), len(alone))
			case len(frame) == len(alone):
				whole++
			case len(frame) < len(alone)/2:
				short++
			}
			a, _, err := ReadResponse(PackDecision(frame), 300, here, 1<<20)
			if err != nil || a.Err != nil {
				t.Fatal(err, a)
			}
			if !slices.Equal(a.Route.Slots, next.Slots) || a.Route.Version != next.Version || len(a.Route.Keys) != len(next.Keys) {
				t.Fatalf("version %d with %d keys, want %d with %d", a.Route.Version, len(a.Route.Keys), next.Version, len(next.Keys))
			}
			if diff := gocmp.Diff(byHash(next), byHash(a.Route)); diff != "" {
				t.Fatalf("-want +got:\n%s", diff)
			}
			sent, here = next, a.Route
		}
	})
	if short == 0 || whole == 0 {
		t.Errorf("%d changes were short, %d as long as their routes", short, whole)
	}
}

// A change of a route that the client does not have, or that came otherwise, is not followed.
func TestChangeWithoutItsBase(t *testing.T) {
	base, next := route(), route()
	next.Version, next.Keys = 13, next.Keys[:1]
	frame := AppendDecision(nil, &Decision{Window: 3, Route: next, Base: base})
	older := route()
	older.Version--
	for why, have := range map[string]*policy.Route{"no route": nil, "an older one": older} {
		if a, m, err := ReadResponse(frame, 4, have, 1<<20); err != ErrBase || a != nil || m != nil {
			t.Errorf("with %s: %+v, %v, %v", why, a, m, err)
		}
	}
	if a, _, err := ReadResponse(frame, 4, base, 1<<20); err != nil || len(a.Route.Keys) != 1 {
		t.Errorf("with the base: %+v, %v", a, err)
	}
}

// Whatever changes a route makes a valid one, the same as for the naive twin, or is refused.
func FuzzChange(f *testing.F) {
	next := route()
	next.Version, next.Keys, next.Slots = 13, next.Keys[:1], []uint16{0, 1, 2, 1}
	b, ok := alone(AppendDecision(nil, &Decision{Window: 3, Route: next, Base: route()}), 2)
	if !ok {
		f.Fatal("no decision")
	}
	f.Add(b)
	f.Add([]byte{0x3a, 2, 0x10, 12})
	f.Fuzz(func(t *testing.T, data []byte) {
		defer memtest.Limit(t, 32<<20)()
		got, ok := decodeAnswer(data, 4, route())
		want, err := naiveAnswer(data, 4, route())
		if ok != (err == nil) {
			t.Fatalf("by hand: %v; the library: %v", ok, err)
		}
		if !ok {
			return
		}
		sameAnswer(t, got, want)
		if got.Route != nil && got.Err == nil {
			if err := got.Route.Validate(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

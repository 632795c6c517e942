package policy_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/internal/sums"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

func TestHotKeys(t *testing.T) {
	equal := make([]float64, 5000)
	for i := range equal {
		equal[i] = 1. / 5000
	}
	for _, c := range []struct {
		why     string
		h       policy.HotKeys
		d       []float64
		workers int
		want    int
	}{
		{"ten are enough at 8 workers", policy.AutoHotKeys, stream.ZipfPMF(10000, 1.5), 8, 10},
		{"more workers need more keys", policy.AutoHotKeys, stream.ZipfPMF(10000, 1.5), 64, 31},
		{"and so does a flatter distribution, whose tail is heavier", policy.AutoHotKeys, stream.ZipfPMF(10000, 1.3), 48, 44},
		{"until it is flat: hash is harmless", policy.AutoHotKeys, equal, 8, 10},
		{"no more than there are", policy.AutoHotKeys, stream.ZipfPMF(7, 1), 64, 7},
		{"a single worker has no fullest", policy.AutoHotKeys, stream.ZipfPMF(100, 1), 1, 10},
		{"a number is that number", 40, stream.ZipfPMF(10000, 1.5), 8, 40},
		{"or all keys", 40, stream.ZipfPMF(7, 1), 8, 7},
	} {
		if got, _ := c.h.Of(c.d, 0, c.workers); got != c.want {
			t.Errorf("%s: %d, want %d", c.why, got, c.want)
		}
	}
	if got, past := policy.AutoHotKeys.Of([]float64{0.5, 0.25}, 0.01, 8); got != 2 || past != 0.01 {
		t.Errorf("keys that are not given: %d hot ones, and %v past them", got, past)
	}
}

// One hot key fewer than auto takes would leave too much to hash.
func TestHotKeysProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := stream.ZipfPMF(rapid.IntRange(1, 3000).Draw(t, "keys"), rapid.Float64Range(0.5, 2).Draw(t, "exponent"))
		workers := rapid.IntRange(1, 300).Draw(t, "workers")
		hot, past := policy.AutoHotKeys.Of(d, 0, workers)
		naive := 0.0
		for _, v := range d[hot:] {
			naive += v * v
		}
		if math.Abs(past-naive) > 1e-12 || policy.HashExcess(past, workers) > policy.HarmlessExcess {
			t.Fatalf("%d hot keys leave %v, want %v: an excess of %v", hot, past, naive, policy.HashExcess(past, workers))
		}
		if hot > 10 && policy.HashExcess(past+d[hot-1]*d[hot-1], workers) <= policy.HarmlessExcess {
			t.Fatalf("%d hot keys would do", hot-1)
		}
	})
}

// TestHashExcess: the fullest worker has on average about what HashExcess says, which is the
// leading term of an expansion and rather too much.
func TestHashExcess(t *testing.T) {
	d := stream.ZipfPMF(2000, 1.2)[40:] // without the keys that are heavier than a worker
	for _, workers := range []int{8, 64} {
		squares, mean := 0.0, 0.0
		for _, v := range d {
			squares += v * v
		}
		const draws = 200
		for draw := range draws {
			loads, most := make([]float64, workers), 0.0
			for i, v := range d {
				w := stream.Hash(string(rune(i+1))+string(rune(draw+1))) % uint64(workers)
				loads[w] += v
				most = max(most, loads[w])
			}
			mean += (most - sums.Of(d)/float64(workers)) * float64(workers) / draws
		}
		if got := policy.HashExcess(squares, workers); got < 0.8*mean || got > 2*mean {
			t.Errorf("%d workers: %v, drawn %v", workers, got, mean)
		}
	}
}

func TestHotKeysText(t *testing.T) {
	for text, want := range map[string]policy.HotKeys{"auto": policy.AutoHotKeys, "12": 12} {
		var h policy.HotKeys = 3
		if err := h.UnmarshalText([]byte(text)); err != nil || h != want {
			t.Errorf("%s: %d, %v", text, h, err)
		}
	}
	for _, text := range []string{"0", "many", "1.5", ""} {
		var h policy.HotKeys
		if h.UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q: no error", text)
		}
	}
	if policy.HotKeys(-1).Validate() == nil || policy.HotKeys(5000).Validate() == nil {
		t.Error("impossible numbers validate")
	}
}

package scenario

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/internal/sums"
)

// Whatever is drawn, loads are parts of the whole, keys keep their ranks, and speeds are
// above 0. Without variety, hot keys and speeds are the job's own.
func TestVarietyProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := Variety{
			Every:  1,
			Speeds: rapid.Float64Range(0, 2).Draw(t, "speeds"), Outliers: rapid.Float64Range(0, 1).Draw(t, "outliers"),
			Exponent: rapid.Float64Range(0, 0.5).Draw(t, "exponent"),
		}
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		weights := rapid.SliceOfN(rapid.Float64Range(1e-6, 1), 1, 50).Draw(t, "weights")
		slices.SortFunc(weights, func(a, b float64) int { return int(math.Copysign(1, b-a)) })
		all := sums.Of(weights)
		for i := range weights {
			weights[i] /= all
		}
		hot := make([]float64, rapid.IntRange(0, len(weights)).Draw(t, "hot"))
		cold := make([]float64, rapid.IntRange(1, 9).Draw(t, "workers"))
		v.DrawLoads(rng, weights, hot, cold)
		if sum := sums.Of(hot) + sums.Of(cold); math.Abs(sum-1) > 1e-9 {
			t.Fatalf("all loads are %v", sum)
		}
		if !slices.IsSortedFunc(hot, func(a, b float64) int { return int(math.Copysign(1, b-a)) }) && v.Exponent > 0 {
			for i := 1; i < len(hot); i++ {
				if hot[i] > hot[i-1]*(1+1e-12) {
					t.Fatalf("key %d has %v, the one before %v", i, hot[i], hot[i-1])
				}
			}
		}
		own, speeds := make([]float64, len(cold)), make([]float64, len(cold))
		for w := range own {
			own[w] = 2
		}
		v.DrawSpeeds(rng, own, speeds)
		for w, s := range speeds {
			if !(s > 0) || math.IsInf(s, 1) {
				t.Fatalf("worker %d has speed %v", w, s)
			}
			if v.Speeds == 0 && v.Outliers == 0 && s != 2 {
				t.Fatalf("without variety worker %d has speed %v", w, s)
			}
		}
	})
}

// Draws have the stated spread: the log of a speed deviates by Speeds, and Outliers of the
// workers are beyond four of these.
func TestVarietySpread(t *testing.T) {
	v := Variety{Every: 1, Speeds: 0.05, Outliers: 0.3}
	own, speeds := make([]float64, 10_000), make([]float64, 10_000)
	for w := range own {
		own[w] = 1
	}
	v.DrawSpeeds(rand.New(rand.NewPCG(1, 2)), own, speeds)
	inside, sq, slow := 0.0, 0.0, 0
	for _, s := range speeds {
		if l := math.Log(s); math.Abs(l) < 0.2 {
			inside++
			sq += l * l
		} else {
			slow++
		}
	}
	// Outliers' factors are uniform in 0.4 to 1.4, and 0.4 of these are within 0.8 to 1.2.
	if part := float64(slow) / 1e4; math.Abs(part-0.3*0.6) > 0.02 {
		t.Errorf("%v of the workers are outliers", part)
	}
	if std := math.Sqrt(sq / inside); math.Abs(std-0.06) > 0.015 {
		t.Errorf("the others deviate by %v", std)
	}
}

func TestVarietyValidate(t *testing.T) {
	for _, c := range []struct {
		why    string
		change func(v *Variety)
	}{
		{"windows before the first", func(v *Variety) { v.Every = -1 }},
		{"a negative deviation", func(v *Variety) { v.Speeds = -0.1 }},
		{"more outliers than workers", func(v *Variety) { v.Outliers = 1.1 }},
		{"an exponent that may become 0", func(v *Variety) { v.Exponent = 1 }},
	} {
		v := DefaultVariety()
		if err := v.Validate(); err != nil {
			t.Fatal(err)
		}
		if c.change(&v); v.Validate() == nil {
			t.Errorf("%s: no error", c.why)
		}
	}
}

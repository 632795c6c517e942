package stream

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"
)

func TestZipfPMF(t *testing.T) {
	for _, c := range []struct {
		why      string
		keys     int
		exponent float64
		want     []float64
	}{
		{"one key has it all", 1, 1.5, []float64{1}},
		{"exponent 0 is uniform", 4, 0, []float64{.25, .25, .25, .25}},
		{"1 : 1/2 : 1/3 over 11/6", 3, 1, []float64{6. / 11, 3. / 11, 2. / 11}},
		{"an exponent so steep that the others underflow", 3, 2000, []float64{1, 0, 0}},
	} {
		got := ZipfPMF(c.keys, c.exponent)
		for i := range c.want {
			if math.Abs(got[i]-c.want[i]) > 1e-15 {
				t.Errorf("%s: ZipfPMF(%d, %v) = %v, want %v", c.why, c.keys, c.exponent, got, c.want)
				break
			}
		}
	}
	// docs/algorithms.md, "The simulated environment": 385746 of a million records.
	if got := ZipfPMF(10_000, 1.5)[0]; math.Abs(got-0.385746) > 1e-6 {
		t.Errorf("probability of the first of 10,000 keys at 1.5 = %v, want 0.385746", got)
	}
}

// The probability that an alias table gives an outcome is the sum over its cells;
// it must equal the probability that the table was built from.
func TestAliasProbabilities(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.Float64Range(0, 1), 1, 200).Draw(t, "weights")
		sum := 0.0
		for _, w := range weights {
			sum += w
		}
		if sum == 0 {
			weights[0], sum = 1, 1
		}
		for i := range weights {
			weights[i] /= sum
		}
		got := make([]float64, len(weights))
		for i, cell := range newAlias(weights) {
			own := math.Ldexp(float64(cell.threshold), -64)
			got[i] += own / float64(len(weights))
			got[cell.other] += (1 - own) / float64(len(weights))
		}
		for i := range got {
			if math.Abs(got[i]-weights[i]) > 1e-13 {
				t.Fatalf("outcome %d has probability %v, want %v", i, got[i], weights[i])
			}
		}
	})
}

// A chi-square test of what is drawn against the probabilities, at a level that a
// correct table fails for one seed in ten thousand.
func TestAliasDraws(t *testing.T) {
	const draws, keys = 1_000_000, 1000
	for _, exponent := range []float64{0, 0.8, 1.5, 3} {
		pmf := ZipfPMF(keys, exponent)
		table, rng := newAlias(pmf), rand.NewPCG(1, 2)
		counts := make([]float64, keys)
		for range draws {
			counts[table.pick(rng.Uint64())]++
		}
		if p := chiSquare(counts, pmf, draws); p < 1e-4 {
			t.Errorf("zipf %v: draws this far from the probabilities have probability %v", exponent, p)
		}
	}
}

// chiSquare is the probability of a deviation from pmf as large as that of the
// counts. Rare outcomes are pooled, as the approximation asks for.
func chiSquare(counts, pmf []float64, draws float64) float64 {
	stat, classes, restCount, rest := 0.0, 0, 0.0, 0.0
	for i, p := range pmf {
		if want := p * draws; want < 10 {
			restCount, rest = restCount+counts[i], rest+want
		} else {
			stat += (counts[i] - want) * (counts[i] - want) / want
			classes++
		}
	}
	if rest >= 10 {
		stat += (restCount - rest) * (restCount - rest) / rest
		classes++
	}
	return 1 - distuv.ChiSquared{K: float64(classes - 1)}.CDF(stat)
}

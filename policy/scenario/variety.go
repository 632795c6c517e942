package scenario

import (
	"errors"
	"math"
	"math/rand/v2"

	"github.com/saspart/saspart/config/field"
)

// Variety says how a job in closed form varies while a shares policy is trained on it. The
// policy learns what to do at speeds and under keys that it has not seen (docs/learning.md, "A
// policy that adapts").
type Variety struct {
	Every    int     `yaml:"every"`    // windows from one draw to the next; 0: the job stays as it is
	Speeds   float64 `yaml:"speeds"`   // standard deviation of the log of a worker's speed
	Outliers float64 `yaml:"outliers"` // part of the workers whose speed is multiplied by 0.4 to 1.4 as well
	Exponent float64 `yaml:"exponent"` // most by which the exponent of the keys' loads changes, as a part of it
}

// DefaultVariety draws often, so that batches hold many draws.
func DefaultVariety() Variety {
	return Variety{Every: 4, Speeds: 0.2, Outliers: 0.15, Exponent: 0.05}
}

// Validate reports every impossible value by its path.
func (v *Variety) Validate() error {
	return errors.Join(
		field.Whole("every", v.Every, 0, 1<<20),
		field.Finite("speeds", v.Speeds, 0, 2),
		field.Finite("outliers", v.Outliers, 0, 1),
		field.Finite("exponent", v.Exponent, 0, 0.5),
	)
}

// outlier is the factor on the speed of an outlier: mostly it is slower.
var outlier = [2]float64{0.4, 1.4}

// DrawSpeeds sets speeds to a draw: in half of the draws around the job's own speeds, in the
// others around their mean.
func (v *Variety) DrawSpeeds(rng *rand.Rand, own, speeds []float64) {
	mean := 0.0
	for _, s := range own {
		mean += s / float64(len(own))
	}
	equal := rng.IntN(2) == 0
	for w, s := range own {
		if equal {
			s = mean
		}
		s *= math.Exp(v.Speeds * rng.NormFloat64())
		if rng.Float64() < v.Outliers {
			s *= outlier[0] + rng.Float64()*(outlier[1]-outlier[0])
		}
		speeds[w] = s
	}
}

// DrawLoads sets hot to a draw of the loads of the heaviest keys. It sets cold to what each
// worker gets of the others: each goes to a worker at random, as by another hash. weights are
// the loads of all keys. All loads together are 1.
func (v *Variety) DrawLoads(rng *rand.Rand, weights, hot, cold []float64) {
	exponent := 1 + v.Exponent*(2*rng.Float64()-1)
	clear(cold)
	all := 0.0
	for i, weight := range weights {
		load := math.Pow(weight, exponent)
		all += load
		if i < len(hot) {
			hot[i] = load
		} else {
			cold[rng.IntN(len(cold))] += load
		}
	}
	for i := range hot {
		hot[i] /= all
	}
	for w := range cold {
		cold[w] /= all
	}
}

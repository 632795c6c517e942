package policy

import (
	"errors"
	"math"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/internal/sums"
)

// Mask is the set of (hot key, worker) pairs that the shares action may use
// (docs/algorithms.md, "The mask"). Keys are known by rank: 0 is the heaviest.
type Mask struct {
	Workers int        // P
	Keys    [][]uint16 // Keys[rank]: the allowed workers, ascending, at least one
}

// MaskConfig chooses the form of the mask.
type MaskConfig struct {
	Spread    int  `yaml:"spread"`    // number of heaviest keys that may use every worker; at least 1 for a policy that adapts and is trained on a job
	TrueHot   int  `yaml:"true_hot"`  // keys in the mask; 0 derives the number from the key distribution
	Reach     int  `yaml:"reach"`     // least number of workers of a key, and all hot keys are in the mask; 0: as the key's weight has it
	Published bool `yaml:"published"` // derive the number as the published code does, faults included
}

// DefaultMask derives the mask from the key distribution.
func DefaultMask() MaskConfig { return MaskConfig{} }

// Validate reports impossible values by their path.
func (c *MaskConfig) Validate() error {
	return errors.Join(field.Whole("spread", c.Spread, 0, MaxWorkers), field.Whole("true_hot", c.TrueHot, 0, 1<<20), field.Whole("reach", c.Reach, 0, MaxWorkers))
}

// NewMask builds the mask for hot keys on P workers. d has the keys' probabilities on any
// scale, in descending order; if it is empty, so is the mask. The workers form a line of
// length P, which the true hot keys after the first Spread divide in proportion to d. A key
// may use every worker that its part of the line touches, so two neighbours share the worker
// in which one ends and the next begins.
//
//	cs[i] = P * sum(d[spread:i]) / sum(d[spread:true])
//	workers of key i: floor(cs[i]) .. min(P, ceil(cs[i+1])) - 1
//
// A key whose part at the end of the line is empty (d[i] = 0) gets the last worker; in the
// published code it has none. A key with fewer than Reach workers gets those to both sides as
// well.
func NewMask(d []float64, workers int, c MaskConfig) Mask {
	hot := c.TrueHot
	switch {
	case hot == 0 && c.Reach > 0:
		hot = len(d)
	case hot == 0:
		hot = TrueHot(d, workers, c.Published)
	}
	hot = min(hot, len(d))
	spread := min(c.Spread, hot)
	m := Mask{Workers: workers, Keys: make([][]uint16, hot)}
	for i := range spread {
		m.Keys[i] = span(0, workers)
	}
	total := sums.Of(d[spread:hot])
	cs := 0.0
	for i := spread; i < hot; i++ {
		first := min(int(math.Floor(cs)), workers-1)
		if total > 0 {
			cs += d[i] / total * float64(workers)
		}
		end := max(min(workers, int(math.Ceil(cs))), first+1)
		if reach := min(c.Reach, workers); end-first < reach {
			first = min(max(0, first-(reach-(end-first))/2), workers-reach)
			end = first + reach
		}
		m.Keys[i] = span(first, end)
	}
	return m
}

// TrueHot returns the automatic number of true hot keys for probabilities d in descending
// order: the first index i with P*d[i] <= d[0] + ... + d[i]. Key i is then no heavier than
// the mean load of a worker over which the keys 0 to i are spread. If no index qualifies,
// as with ten keys on 64 workers, TrueHot returns len(d); with published it returns 0, as
// the published code does. It is 0 for a single worker, where there is nothing to split.
func TrueHot(d []float64, workers int, published bool) int {
	sum := 0.0
	for i, p := range d {
		sum += p
		if float64(workers)*p <= sum {
			return i
		}
	}
	if published {
		return 0
	}
	return len(d)
}

// Pairs returns the number of (key, worker) pairs, which is the dimension of the action.
func (m *Mask) Pairs() int {
	n := 0
	for _, ws := range m.Keys {
		n += len(ws)
	}
	return n
}

// span returns the workers first to end-1.
func span(first, end int) []uint16 {
	ws := make([]uint16, end-first)
	for i := range ws {
		ws[i] = uint16(first + i)
	}
	return ws
}

package policy

import (
	"math"

	"github.com/saspart/saspart/config/field"
)

// Mask is the set of (hot key, worker) pairs that the shares action may use
// (docs/algorithms.md, "The mask"). Keys are known by rank: 0 is the heaviest.
type Mask struct {
	Workers int        // P
	Keys    [][]uint16 // Keys[rank]: the allowed workers, ascending, at least one
}

// MaskConfig chooses the form of the mask.
type MaskConfig struct {
	Spread    int  `yaml:"spread"`    // the first so many keys may use every worker
	TrueHot   int  `yaml:"true_hot"`  // keys in the mask; 0 derives the number from the key distribution
	Published bool `yaml:"published"` // derive it as the reference's code does, faults included
}

// DefaultMask derives the mask from the key distribution.
func DefaultMask() MaskConfig { return MaskConfig{} }

// Validate reports impossible values by their path.
func (c *MaskConfig) Validate() error {
	if err := field.Whole("spread", c.Spread, 0, MaxWorkers); err != nil {
		return err
	}
	return field.Whole("true_hot", c.TrueHot, 0, 1<<20)
}

// NewMask builds the mask for hot keys with probabilities d, descending, of any
// scale, on P workers. The workers are laid out as a line of length P which the
// true hot keys past the first Spread divide in proportion to d; a key may use
// every worker that its stretch touches, so neighbours share the worker in which
// one ends and the next begins. With d empty the mask is empty.
//
//	cs[i] = P * sum(d[spread:i]) / sum(d[spread:true])
//	workers of key i: floor(cs[i]) .. min(P, ceil(cs[i+1])) - 1
//
// A stretch that rounds to nothing at the line's end (d[i] = 0) gets the last
// worker; the reference would leave that key without any.
func NewMask(d []float64, workers int, c MaskConfig) Mask {
	hot := c.TrueHot
	if hot == 0 {
		hot = TrueHot(d, workers, c.Published)
	}
	hot = min(hot, len(d))
	spread := min(c.Spread, hot)
	m := Mask{Workers: workers, Keys: make([][]uint16, hot)}
	for i := range spread {
		m.Keys[i] = span(0, workers)
	}
	total := 0.0
	for _, p := range d[spread:hot] {
		total += p
	}
	cs := 0.0
	for i := spread; i < hot; i++ {
		first := min(int(math.Floor(cs)), workers-1)
		if total > 0 {
			cs += d[i] / total * float64(workers)
		}
		end := min(workers, int(math.Ceil(cs)))
		m.Keys[i] = span(first, max(end, first+1))
	}
	return m
}

// TrueHot is the automatic number of true hot keys for probabilities d,
// descending: the first index i with P*d[i] <= d[0] + ... + d[i], which means
// that key i is no heavier than what the keys down to it put on a worker when
// they are spread over all of them. Where no index qualifies, because every hot
// key is that heavy (64 workers and ten keys), the reference's code answers 0, no
// key at all (published); we answer len(d), all of them. The rule never ends
// before the first key unless P is 1, when nothing needs splitting.
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

// Pairs is the number of (key, worker) pairs: the dimension of the action.
func (m *Mask) Pairs() int {
	n := 0
	for _, ws := range m.Keys {
		n += len(ws)
	}
	return n
}

// span is the workers first..end-1.
func span(first, end int) []uint16 {
	ws := make([]uint16, end-first)
	for i := range ws {
		ws[i] = uint16(first + i)
	}
	return ws
}

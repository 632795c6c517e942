package policy

import (
	"fmt"

	"github.com/saspart/saspart/internal/sums"
)

// Shares is the shares action (docs/algorithms.md, "The decision process"): one number per
// (key, worker) pair of the mask. Hot keys beyond the true hot ones are spread evenly over
// all workers, and all others go by hash.
type Shares struct {
	Mask Mask
	Hot  []HotKey // hot keys by rank, heaviest first; at least the mask's keys
}

// Dim returns the length of an action: a number in [0, 1] per pair of the mask, key by key,
// each key's workers ascending.
func (s *Shares) Dim() int { return s.Mask.Pairs() }

// Route returns the route of an action, without a version. A key's numbers are normalised to
// sum to 1; a key whose numbers are all 0 is spread evenly over its workers. Numbers outside
// [0, 1], NaN, and an action of another length are errors.
func (s *Shares) Route(action []float64) (*Route, error) {
	if err := s.check(action); err != nil {
		return nil, err
	}
	p := s.Mask.Workers
	r := HashRoute(p)
	r.Keys = make([]KeyRoute, len(s.Hot))
	even := span(0, p)
	for rank, hot := range s.Hot {
		k := KeyRoute{Hash: hot.Hash, Name: hot.Name}
		if rank < len(s.Mask.Keys) {
			row := s.Mask.Keys[rank]
			k.Workers, k.Shares = normalised(row, action[:len(row)])
			action = action[len(row):]
		} else {
			k.Workers, k.Shares = normalised(even, nil)
		}
		r.Keys[rank] = k
	}
	return r, nil
}

// Loads sets loads[w] to the load that worker w gets from the hot keys under the route of an
// action, the sum of d[rank] * share. d has one element per hot key, on any scale. Keys
// beyond the mask's are spread evenly. Simulated environments call Loads for every window:
// it does not allocate, and does not check the action.
func (m *Mask) Loads(loads, d, action []float64) {
	even := sums.Of(d[len(m.Keys):])
	even /= float64(m.Workers)
	for w := range loads {
		loads[w] = even
	}
	for rank, row := range m.Keys {
		a := action[:len(row)]
		action = action[len(row):]
		sum := sums.Of(a)
		if sum == 0 {
			part := d[rank] / float64(len(row))
			for _, w := range row {
				loads[w] += part
			}
			continue
		}
		scale := d[rank] / sum
		for i, w := range row {
			loads[w] += a[i] * scale
		}
	}
}

// Action is the inverse of Route, for learning from traces (docs/algorithms.md, "Offline
// data"). It appends Dim numbers to dst. The numbers of a key are its realised counts over
// the largest of them: they lie in [0, 1] and normalise to the realised shares. For a key
// without counts they are 1. Counts at workers outside the mask are ignored, since no action
// yields them.
func (s *Shares) Action(dst []float64, realised []RealisedShare) []float64 {
	at := make(map[pair]int, s.Dim())
	base := len(dst)
	for rank, row := range s.Mask.Keys {
		for _, w := range row {
			at[pair{s.Hot[rank].Hash, int(w)}] = len(dst)
			dst = append(dst, 0)
		}
	}
	for _, c := range realised {
		if i, ok := at[pair{c.Hash, c.Worker}]; ok && c.Count > 0 {
			dst[i] += float64(c.Count)
		}
	}
	rest := dst[base:]
	for _, row := range s.Mask.Keys {
		a := rest[:len(row)]
		rest = rest[len(row):]
		most := 0.0
		for _, v := range a {
			most = max(most, v)
		}
		for i := range a {
			if most == 0 {
				a[i] = 1
			} else {
				a[i] /= most
			}
		}
	}
	return dst
}

// pair is a key and a worker.
type pair struct {
	hash   uint64
	worker int
}

func (s *Shares) check(action []float64) error {
	if len(s.Hot) < len(s.Mask.Keys) {
		return fmt.Errorf("shares action: %d hot keys for a mask of %d", len(s.Hot), len(s.Mask.Keys))
	}
	if len(action) != s.Dim() {
		return fmt.Errorf("shares action: %d numbers for %d pairs of the mask", len(action), s.Dim())
	}
	for i, v := range action {
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("shares action: number %d is %v; it must lie in [0, 1]", i, v)
		}
	}
	return nil
}

// normalised turns the weights of workers into shares, without those that are 0. If weights
// is nil or all are 0, the shares are even.
func normalised(workers []uint16, weights []float64) ([]uint16, []float64) {
	sum := sums.Of(weights)
	ws := make([]uint16, 0, len(workers))
	shares := make([]float64, 0, len(workers))
	for i, w := range workers {
		share := 1 / float64(len(workers))
		if sum > 0 {
			share = weights[i] / sum
		}
		if share > 0 {
			ws, shares = append(ws, w), append(shares, share)
		}
	}
	return ws, shares
}

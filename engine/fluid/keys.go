package fluid

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/internal/sums"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// KeySpace is a population of keys and how often each occurs. It is immutable.
type KeySpace struct {
	hot    []policy.HotKey  // by weight, descending; Count unset
	weight []float64        // of hot[i], summing to 1
	index  map[uint64]int32 // hash -> where in hot
	slots  []float64        // weight of each slot
}

// NewKeySpace makes the population of the named keys with the given weights, at
// least one of them above 0 and none below, for jobs of slots hash slots.
func NewKeySpace(names []string, weights []float64, slots int) (*KeySpace, error) {
	if len(names) != len(weights) {
		return nil, fmt.Errorf("key space: %d names for %d weights", len(names), len(weights))
	}
	if slots < 1 || slots&(slots-1) != 0 {
		return nil, fmt.Errorf("key space: %d slots; the number must be a power of two", slots)
	}
	sum := 0.0
	order := make([]int, len(names))
	for i, v := range weights {
		if err := field.Positive(names[i], v); err != nil && v != 0 {
			return nil, fmt.Errorf("key space: weight of %w", err)
		}
		sum += v
		order[i] = i
	}
	if err := field.Positive("sum of all weights", sum); err != nil {
		return nil, fmt.Errorf("key space: %w", err)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(weights[b], weights[a]) })
	k := &KeySpace{
		hot: make([]policy.HotKey, len(names)), weight: make([]float64, len(names)),
		index: make(map[uint64]int32, len(names)), slots: make([]float64, slots),
	}
	for rank, i := range order {
		hash := stream.Hash(names[i])
		if _, ok := k.index[hash]; ok {
			return nil, fmt.Errorf("key space: key %q occurs twice", names[i])
		}
		k.index[hash] = int32(rank)
		k.hot[rank] = policy.HotKey{Name: names[i], Hash: hash}
		k.weight[rank] = weights[i] / sum
		k.slots[policy.SlotOf(hash, slots)] += k.weight[rank]
	}
	return k, nil
}

// ZipfKeys is the population of n keys of a zipf exponent, the rank r one named
// after r and weighing 1/r^exponent. It panics where no configuration leads: without
// keys, with an infinite exponent, with a number of slots that is no power of two.
func ZipfKeys(n int, exponent float64, slots int) *KeySpace {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("key-%0*d", len(fmt.Sprint(n-1)), i)
	}
	k, err := NewKeySpace(names, stream.ZipfPMF(n, exponent), slots)
	if err != nil {
		panic(err)
	}
	return k
}

// Weights is the weight of each key, descending, summing to 1; not to be changed.
func (k *KeySpace) Weights() []float64 { return k.weight }

// Keys is the keys in the order of Weights, without counts; not to be changed.
func (k *KeySpace) Keys() []policy.HotKey { return k.hot }

// ExpectedLoads sets loads[w], for each worker of the route, to the part of the
// whole load that it gets in expectation, and returns loads (made if nil). The
// throughput of a route is the smallest speed over load of its workers.
func ExpectedLoads(r *policy.Route, k *KeySpace, loads []float64) []float64 {
	if loads == nil {
		loads = make([]float64, r.Workers)
	}
	clear(loads)
	for i := range k.hot {
		loads[r.Slots[policy.SlotOf(k.hot[i].Hash, len(r.Slots))]] += k.weight[i]
	}
	for i := range r.Keys {
		kr := &r.Keys[i]
		at, ok := k.index[kr.Hash]
		if !ok {
			continue
		}
		loads[r.Slots[policy.SlotOf(kr.Hash, len(r.Slots))]] -= k.weight[at]
		for j, w := range kr.Workers {
			loads[w] += k.weight[at] * kr.Shares[j]
		}
	}
	for w := range loads {
		loads[w] = max(0, loads[w]) // rounding
	}
	return loads
}

// Bound is the fluid bound in records/s: the sum of the workers' speeds over cost, the
// seconds that a record takes on a worker of speed 1 (docs/algorithms.md, "Measures").
func Bound(speeds []float64, cost float64) float64 {
	sum := sums.Of(speeds)
	return sum / cost
}

// Throughput is the highest rate that a route with the given loads (parts of
// the whole) holds: that at which its first worker is busy all the time.
func Throughput(speeds, loads []float64, cost float64) float64 {
	busiest := 0.0
	for w, load := range loads {
		busiest = max(busiest, load*cost/speeds[w])
	}
	return 1 / busiest
}

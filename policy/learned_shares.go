package policy

import (
	"cmp"
	"math"
	"slices"
)

// learnedShares is the controller of a shares policy, the reference's system: the
// observation of a window goes through the network, whose action is the share of each
// (key, worker) pair of the mask. The mask knows keys by rank, so that a policy
// outlives the keys it was trained on: the job's hot keys are ranked by their smoothed
// counts and take the places of the mask.
type learnedShares struct {
	spec        *SharesSpec
	norm        *Normalisation
	network     *MLP
	observation Observation
	loads       *Loads
	ranks       ranks
	inForce

	keys           []KeyLoad
	slots          []float64
	counts, values []float64 // record counts; the observation
	input, output  []float32 // of the network
	action         []float64
	shares         Shares
}

func newLearnedShares(c *Checkpoint, config LearnedConfig) (*learnedShares, error) {
	network, err := c.Shares.network(c.Tensors)
	if err != nil {
		return nil, err
	}
	mask := c.Shares.mask()
	return &learnedShares{
		spec: c.Shares, norm: c.Normalisation, network: network, observation: Observation{Published: c.Shares.Published},
		loads: NewLoads(config.Load), ranks: ranks{most: c.Shares.HotKeys}, inForce: inForce{HashRoute(mask.Workers)},
		counts: make([]float64, mask.Workers), output: make([]float32, mask.Pairs()), action: make([]float64, mask.Pairs()),
	}, nil
}

// settled is the part of all records that a new route must move to be worth
// following.
const settled = 0.002

// Decide implements Controller. A window of another number of workers is ignored, and
// there is no decision before a hot key is known. With fewer hot keys than the mask
// has, the heaviest ranks are in use.
func (f *learnedShares) Decide(w *Window) *Route {
	if len(w.Counts) != f.spec.Workers || len(w.Busy) != f.spec.Workers {
		return nil
	}
	f.loads.Observe(w)
	if w.RouteNew {
		return nil
	}
	f.observe(w)
	f.keys, f.slots = f.loads.Estimate(f.keys, f.slots, f.spec.Workers)
	f.ranks.update(f.keys)
	if len(f.ranks.order) == 0 {
		return nil
	}
	f.act(w)
	f.shares.Mask = f.spec.mask()
	f.shares.Mask.Keys = f.shares.Mask.Keys[:min(len(f.shares.Mask.Keys), len(f.ranks.order))]
	f.shares.Hot = f.shares.Hot[:0]
	for _, k := range f.ranks.order {
		f.shares.Hot = append(f.shares.Hot, HotKey{Hash: k.Hash, Name: k.Name})
	}
	// What is no number between 0 and 1 is refused here, and the last route stays.
	next, err := f.shares.Route(f.action[:f.shares.Dim()], f.route.Version+1)
	if err != nil || f.moved(next) <= settled {
		return nil
	}
	return f.propose(next)
}

// act sets action to the network's for a window, mapped from [-1, 1] to [0, 1].
func (f *learnedShares) act(w *Window) {
	for i, n := range w.Counts {
		f.counts[i] = float64(max(0, n))
	}
	f.values = f.observation.Of(f.values[:0], f.counts, w.Busy)
	f.input = f.input[:0]
	for _, v := range f.values {
		f.input = append(f.input, float32(v))
	}
	f.norm.Apply(f.input)
	f.network.Forward(f.input, f.output)
	for i, a := range f.output {
		f.action[i] = (float64(a) + 1) / 2
	}
}

// moved is the part of all records that the next route sends elsewhere than the one in
// force, by the hot keys' loads.
func (f *learnedShares) moved(next *Route) float64 {
	now := make(map[uint64]*KeyRoute, len(f.route.Keys))
	for i := range f.route.Keys {
		now[f.route.Keys[i].Hash] = &f.route.Keys[i]
	}
	moved := 0.0
	for i := range next.Keys {
		k := &next.Keys[i]
		load := f.ranks.order[i].Load
		if old := now[k.Hash]; old != nil {
			load *= distance(old, k)
		}
		moved += load
	}
	return moved
}

// distance is the part of a key's records that two routes send to different workers.
func distance(a, b *KeyRoute) float64 {
	d, j := 0.0, 0
	for i, w := range a.Workers {
		for ; j < len(b.Workers) && b.Workers[j] < w; j++ {
			d += b.Shares[j]
		}
		if j < len(b.Workers) && b.Workers[j] == w {
			d += math.Abs(a.Shares[i] - b.Shares[j])
			j++
		} else {
			d += a.Shares[i]
		}
	}
	for ; j < len(b.Workers); j++ {
		d += b.Shares[j]
	}
	return d / 2
}

// rankSticky is how many times heavier a key must be than the one a rank above it, or
// than one of the hot keys if it is none, to take its place: each exchange moves both
// keys.
const rankSticky = 1.1

// ranks is the hot keys by rank, heaviest first up to stickiness.
type ranks struct {
	most  int // keys at most
	order []KeyLoad

	index map[uint64]int32 // scratch: hash -> where in the keys given
	rest  []KeyLoad        // scratch: keys that are not ranked
}

// update takes in the keys' loads by now, in any order, each key once. Keys that are
// not among them any more, or without load, are dropped.
func (r *ranks) update(keys []KeyLoad) {
	r.index = emptied(r.index)
	for i := range keys {
		r.index[keys[i].Hash] = int32(i)
	}
	ranked := r.order[:0]
	for _, k := range r.order {
		if at, ok := r.index[k.Hash]; ok && keys[at].Load > 0 {
			ranked = append(ranked, keys[at])
			delete(r.index, k.Hash)
		}
	}
	r.order, r.rest = ranked, r.rest[:0]
	for _, k := range keys {
		if _, ok := r.index[k.Hash]; ok && k.Load > 0 {
			r.rest = append(r.rest, k)
		}
	}
	slices.SortFunc(r.rest, func(a, b KeyLoad) int {
		return cmp.Or(cmp.Compare(b.Load, a.Load), cmp.Compare(a.Hash, b.Hash))
	})
	for _, k := range r.rest {
		if len(r.order) < r.most {
			r.order = append(r.order, k)
			continue
		}
		least := 0
		for i := range r.order {
			if r.order[i].Load <= r.order[least].Load {
				least = i
			}
		}
		if k.Load <= rankSticky*r.order[least].Load {
			break
		}
		r.order = append(slices.Delete(r.order, least, least+1), k)
	}
	for i := range r.order {
		for j := i; j > 0 && r.order[j].Load > rankSticky*r.order[j-1].Load; j-- {
			r.order[j], r.order[j-1] = r.order[j-1], r.order[j]
		}
	}
}

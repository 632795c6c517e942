package learned

import (
	"cmp"
	"math"
	"slices"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/plan"
)

// SharesView is a running job as a policy of the shares action sees it: windows become
// observations, and its actions routes. The mask knows keys by rank, so that a policy
// outlives the keys it was trained on: the job's hot keys are ranked by their smoothed
// counts and take the places of the mask. It is for one goroutine.
type SharesView struct {
	spec        *checkpoint.SharesSpec
	norm        *checkpoint.Normalisation
	observation policy.Observation
	loads       *plan.Loads
	ranks       ranks

	keys           []plan.KeyLoad
	slots          []float64
	counts, values []float64 // scratch: record counts; the observation
	shares         policy.Shares
}

// NewSharesView returns a view that knows no key yet, for the job that the spec says,
// with inputs normalised as the policy's.
func NewSharesView(spec *checkpoint.SharesSpec, norm *checkpoint.Normalisation, load plan.LoadConfig) *SharesView {
	return &SharesView{
		spec: spec, norm: norm, observation: policy.Observation{Published: spec.Published}, loads: plan.NewLoads(load),
		ranks: ranks{most: spec.HotKeys}, counts: make([]float64, spec.Workers),
	}
}

// Observe takes in a window and tells whether something can be decided on it: not on
// one of another number of workers or of two routes, and not before a hot key is known.
func (v *SharesView) Observe(w *policy.Window) bool {
	if len(w.Counts) != v.spec.Workers || len(w.Busy) != v.spec.Workers {
		return false
	}
	v.loads.Observe(w)
	if w.RouteNew {
		return false
	}
	v.keys, v.slots = v.loads.Estimate(v.keys, v.slots, v.spec.Workers)
	v.ranks.update(v.keys)
	return len(v.ranks.order) > 0
}

// Ranked are the hot keys by rank and what part of the records each has, by now; not
// to be changed.
func (v *SharesView) Ranked() []plan.KeyLoad { return v.ranks.order }

// Observation appends what the policy sees of a window, normalised, to dst.
func (v *SharesView) Observation(dst []float32, w *policy.Window) []float32 {
	for i, n := range w.Counts {
		v.counts[i] = float64(max(0, n))
	}
	v.values = v.observation.Of(v.values[:0], v.counts, w.Busy)
	from := len(dst)
	for _, x := range v.values {
		dst = append(dst, float32(x))
	}
	v.norm.Apply(dst[from:])
	return dst
}

// Mask is the mask of the keys that are known by now: with fewer hot keys than the
// policy's mask has, the heaviest ranks are in use.
func (v *SharesView) Mask() policy.Mask {
	m := v.spec.AsMask()
	m.Keys = m.Keys[:min(len(m.Keys), len(v.ranks.order))]
	return m
}

// Route turns an action of the policy, a number in [0,1] per pair of its mask, into a
// route for the hot keys that are known by now.
func (v *SharesView) Route(action []float64) (*policy.Route, error) {
	v.shares.Mask = v.Mask()
	v.shares.Hot = v.shares.Hot[:0]
	for _, k := range v.ranks.order {
		v.shares.Hot = append(v.shares.Hot, policy.HotKey{Hash: k.Hash, Name: k.Name})
	}
	return v.shares.Route(action[:v.shares.Dim()])
}

// Moved is the part of all records that next, a route of Route's, sends elsewhere than
// the route before, by the hot keys' loads.
func (v *SharesView) Moved(before, next *policy.Route) float64 {
	now := make(map[uint64]*policy.KeyRoute, len(before.Keys))
	for i := range before.Keys {
		now[before.Keys[i].Hash] = &before.Keys[i]
	}
	moved := 0.0
	for i := range next.Keys {
		k := &next.Keys[i]
		load := v.ranks.order[i].Load
		if old := now[k.Hash]; old != nil {
			load *= distance(old, k)
		}
		moved += load
	}
	return moved
}

// distance is the part of a key's records that two routes send to different workers.
func distance(a, b *policy.KeyRoute) float64 {
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
	order []plan.KeyLoad

	index map[uint64]int32 // scratch: hash -> where in the keys given
	rest  []plan.KeyLoad   // scratch: keys that are not ranked
}

// update takes in the keys' loads by now, in any order, each key once. Keys that are
// not among them any more, or without load, are dropped.
func (r *ranks) update(keys []plan.KeyLoad) {
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
	slices.SortFunc(r.rest, func(a, b plan.KeyLoad) int {
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

// emptied is m without its entries, made if nil.
func emptied(m map[uint64]int32) map[uint64]int32 {
	if m == nil {
		return make(map[uint64]int32)
	}
	clear(m)
	return m
}

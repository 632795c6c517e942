package learned

import (
	"cmp"
	"math"
	"slices"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/plan"
)

// SharesView adapts a running job to a shares policy: it turns windows into observations,
// and actions into routes. Masks know keys by rank only, so that a policy does not depend on
// the keys it was trained on. SharesView ranks the job's hot keys by their smoothed counts. It
// must not be used concurrently.
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

// NewSharesView returns a view of a job without known keys. spec and norm are those of the
// policy's checkpoint.
func NewSharesView(spec *checkpoint.SharesSpec, norm *checkpoint.Normalisation, load plan.LoadConfig) *SharesView {
	return &SharesView{
		spec: spec, norm: norm, observation: policy.Observation{Published: spec.Published}, loads: plan.NewLoads(load),
		ranks: ranks{most: spec.HotKeys}, counts: make([]float64, spec.Workers),
	}
}

// Observe processes a window and reports whether the policy can decide on it. It cannot if
// the window has another number of workers or is mixed, or before the first hot key.
func (v *SharesView) Observe(w *policy.Window) bool {
	if !v.Fits(w) {
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

// Fits reports whether a window has the policy's number of workers.
func (v *SharesView) Fits(w *policy.Window) bool {
	return len(w.Counts) == v.spec.Workers && len(w.Busy) == v.spec.Workers
}

// Ranked returns the hot keys by rank, with the part of the work that each has. The caller
// must not change the slice.
func (v *SharesView) Ranked() []plan.KeyLoad { return v.ranks.order }

// Observation appends the normalised observation of a window to dst.
func (v *SharesView) Observation(dst []float32, w *policy.Window) []float32 {
	v.values = v.observation.Of(v.values[:0], v.work(w), w.Busy)
	from := len(dst)
	for _, x := range v.values {
		dst = append(dst, float32(x))
	}
	v.norm.Apply(dst[from:])
	return dst
}

// work returns the work that each worker finished in a window, in records of mean cost. It is
// valid until the next call.
func (v *SharesView) work(w *policy.Window) []float64 {
	for i, n := range v.loads.Work(v.counts, w) {
		v.counts[i] = max(0, n)
	}
	return v.counts
}

// Mask returns the mask of the present hot keys: the first ranks of the policy's mask, if
// there are fewer hot keys.
func (v *SharesView) Mask() policy.Mask {
	m := v.spec.AsMask()
	m.Keys = m.Keys[:min(len(m.Keys), len(v.ranks.order))]
	return m
}

// Route returns the route of an action for the present hot keys. The action has a number in
// [0, 1] per pair of the policy's mask.
func (v *SharesView) Route(action []float64) (*policy.Route, error) {
	v.shares.Mask = v.Mask()
	v.shares.Hot = v.shares.Hot[:0]
	for _, k := range v.ranks.order {
		v.shares.Hot = append(v.shares.Hot, policy.HotKey{Hash: k.Hash, Name: k.Name})
	}
	return v.shares.Route(action[:v.shares.Dim()])
}

// Moved returns the part of the records that next, a route from Route, sends to other workers
// than the route before, by the loads of the hot keys.
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

// distance returns the part of a key's records that two routes send to different workers.
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

// rankSticky is the factor by which a key must be heavier than the key of the next higher
// rank to exchange ranks with it, or than the lightest hot key to replace it. Each exchange
// moves both keys.
const rankSticky = 1.1

// ranks holds the hot keys by rank: heaviest first, except for stickiness.
type ranks struct {
	most  int // keys at most
	order []plan.KeyLoad

	index map[uint64]int32 // scratch: hash -> index in the given keys
	rest  []plan.KeyLoad   // scratch: keys that are not ranked
}

// update ranks keys by their present loads. It is given each key once, in any order. Ranked
// keys that are missing or have no load are dropped.
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

// emptied returns m without its entries, or a new map if m is nil.
func emptied(m map[uint64]int32) map[uint64]int32 {
	if m == nil {
		return make(map[uint64]int32)
	}
	clear(m)
	return m
}

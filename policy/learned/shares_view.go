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
// the keys it was trained on. SharesView ranks the job's hot keys by their smoothed counts, or
// has them ranked by the caller. It must not be used concurrently.
type SharesView struct {
	spec        *checkpoint.SharesSpec
	norm        *checkpoint.Normalisation
	config      Config
	observation policy.Observation
	loads       *plan.Loads
	speeds      *plan.Speeds
	ranks       ranks

	keys   []plan.KeyLoad
	slots  []float64
	seen   policy.Seen
	values []float64 // scratch: the observation
	shares policy.Shares
}

// NewSharesView returns a view of a job without known keys. spec and norm are those of the
// policy's checkpoint.
func NewSharesView(spec *checkpoint.SharesSpec, norm *checkpoint.Normalisation, config Config) *SharesView {
	numbers := func(n int) []float64 { return make([]float64, n) }
	p := spec.Workers
	return &SharesView{
		spec: spec, norm: norm, config: config, observation: spec.Observes(),
		loads: plan.NewLoads(config.Load), speeds: plan.NewSpeeds(plan.DefaultSpeed(), p), ranks: ranks{most: spec.HotKeys},
		seen: policy.Seen{Counts: numbers(p), Log: numbers(p), Fixed: numbers(p), Keys: numbers(len(spec.Mask))},
	}
}

// Observe processes a window and reports whether the policy can decide on it. It cannot if
// the window has another number of workers or is mixed, or before the first hot key.
func (v *SharesView) Observe(w *policy.Window) bool { return v.observe(w, v.ranks.update) }

// ObserveRanked is Observe for a caller that ranks the hot keys itself.
func (v *SharesView) ObserveRanked(w *policy.Window, hot []policy.HotKey) bool {
	return v.observe(w, func(keys []plan.KeyLoad) { v.ranks.set(hot, keys) })
}

func (v *SharesView) observe(w *policy.Window, rank func(keys []plan.KeyLoad)) bool {
	if !v.Fits(w) {
		return false
	}
	v.loads.Observe(w)
	if w.RouteNew {
		return false
	}
	v.speeds.Observe(v.work(w), w.Busy)
	v.keys, v.slots = v.loads.Estimate(v.keys, v.slots, v.spec.Workers)
	rank(v.keys)
	return len(v.ranks.order) > 0
}

// Fits reports whether a window has the policy's number of workers.
func (v *SharesView) Fits(w *policy.Window) bool {
	return len(w.Counts) == v.spec.Workers && len(w.Busy) == v.spec.Workers
}

// Ranked returns the hot keys by rank, with the part of the work that each has. The caller
// must not change the slice.
func (v *SharesView) Ranked() []plan.KeyLoad { return v.ranks.order }

// Observation appends the normalised observation of a window to dst. The window is the last
// one observed.
func (v *SharesView) Observation(dst []float32, w *policy.Window) []float32 {
	v.seen.Counts, v.seen.Busy = v.work(w), w.Busy
	if v.observation.Trained != nil {
		v.speeds.Slowness(v.seen.Log)
		v.distribute()
	}
	v.values = v.observation.Of(v.values[:0], &v.seen)
	from := len(dst)
	for _, x := range v.values {
		dst = append(dst, float32(x))
	}
	v.norm.Apply(dst[from:])
	return dst
}

// distribute sets the loads of the mask's keys, and what each worker has whatever they do: its
// slots without hot keys, and an even part of the hot keys past the mask.
func (v *SharesView) distribute() {
	fixed, n := v.seen.Fixed, len(v.slots)
	of := func(slot int) int { return policy.HashWorker(slot*policy.SlotCount(len(fixed))/n, len(fixed)) }
	clear(fixed)
	clear(v.seen.Keys)
	for s, load := range v.slots {
		fixed[of(s)] += load
	}
	even := 0.0
	for rank, k := range v.ranks.order {
		fixed[of(policy.SlotOf(k.Hash, n))] -= k.Load
		if rank < len(v.seen.Keys) {
			v.seen.Keys[rank] = k.Load
		} else {
			even += k.Load / float64(len(fixed))
		}
	}
	for w := range fixed {
		fixed[w] = max(0, fixed[w]) + even
	}
}

// work returns the work that each worker finished in a window, in records of mean cost. It is
// valid until the next call.
func (v *SharesView) work(w *policy.Window) []float64 {
	for i, n := range v.loads.Work(v.seen.Counts, w) {
		v.seen.Counts[i] = max(0, n)
	}
	return v.seen.Counts
}

// Capacities returns the measured capacities for route r; nil if the window is of another
// number of workers.
func (v *SharesView) Capacities(w *policy.Window, r *policy.Route) *policy.Capacities {
	if !v.Fits(w) {
		return nil
	}
	return v.loads.Capacities(v.speeds.Capacity(make([]float64, len(w.Counts))), r)
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

// settled is the dead band of a policy that observes as published: a new route must move a
// larger part of the records.
const settled = 0.002

// Rests reports whether the job should stay with its latest route rather than follow next, a
// route from Route. As published, next must move enough records. To a policy that adapts apply
// waterfill's rules: next must relieve the busiest worker by more than the estimates of speeds
// and loads may be wrong.
func (v *SharesView) Rests(latest, next *policy.Route) bool {
	if v.observation.Trained == nil {
		return v.moved(latest, next) <= settled
	}
	p := plan.Begin(v.config.Plan, v.loads, latest)
	defer p.Done()
	v.speeds.Capacity(p.In.Capacity)
	return p.Promise(next) <= v.config.DeadBand(v.speeds, v.loads, latest.Workers)
}

// moved returns the part of the records that next, a route from Route, sends to other workers
// than the route before, by the loads of the hot keys.
func (v *SharesView) moved(before, next *policy.Route) float64 {
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

// set takes the given keys in their order, with the loads that are known of them.
func (r *ranks) set(hot []policy.HotKey, keys []plan.KeyLoad) {
	r.index = emptied(r.index)
	for i := range keys {
		r.index[keys[i].Hash] = int32(i)
	}
	r.order = r.order[:0]
	for _, h := range hot[:min(r.most, len(hot))] {
		k := plan.KeyLoad{Hash: h.Hash, Name: h.Name}
		if at, ok := r.index[h.Hash]; ok {
			k.Load = keys[at].Load
		}
		r.order = append(r.order, k)
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

package dalton

import (
	"cmp"
	"math"
	"slices"
)

// report is what a subtask sends to the others: its heaviest hot keys.
type report []sharedArms

type sharedArms struct {
	hash    uint64
	term    uint64 // only meaningful to the sender, like updates
	until   int64
	weight  float64 // records in the last slide and the current one
	q       []float64
	updates []uint32
}

// Gossip implements Gossiper: it returns the P hot keys with the most records.
func (r *original) Gossip() any {
	var share report
	for k := range r.arms {
		e, a := &r.hot.keys[k], &r.arms[k]
		if e.live && r.hot.isHot(int32(k)) && a.term == e.term && e.last+e.count > 0 {
			share = append(share, sharedArms{hash: e.hash, term: e.term, until: e.until, weight: e.last + e.count, q: a.q, updates: a.updates})
		}
	}
	slices.SortFunc(share, func(a, b sharedArms) int {
		return cmp.Or(cmp.Compare(b.weight, a.weight), cmp.Compare(a.hash, b.hash))
	})
	share = share[:min(len(share), r.workers)]
	for i := range share {
		share[i].q = slices.Clone(share[i].q)
		share[i].updates = slices.Clone(share[i].updates)
	}
	return share
}

// Absorb implements Gossiper. The Q of every key in the gossip becomes the average over the
// subtasks that sent it, weighted by their records of the key. A key that is hot for one subtask
// becomes hot for all. Rewards since Gossip are applied on top, in closed form: n updates of an
// arm since then have turned a difference in Q into (1-a)^n of it.
func (r *original) Absorb(round []any) {
	pooled := map[uint64]*sharedArms{}
	var order []uint64 // of first mention: the same for every subtask
	for _, s := range round {
		share, _ := s.(report)
		for i := range share {
			s := &share[i]
			if s.until < r.hot.clock.Now || len(s.q) != r.workers {
				continue
			}
			p := pooled[s.hash]
			if p == nil {
				p = &sharedArms{hash: s.hash, q: make([]float64, r.workers)}
				pooled[s.hash] = p
				order = append(order, s.hash)
			}
			p.until = max(p.until, s.until)
			p.weight += s.weight
			for w, q := range s.q {
				p.q[w] += s.weight * q
			}
		}
	}
	var own report
	if r.subtask < len(round) {
		own, _ = round[r.subtask].(report)
	}
	for _, hash := range order {
		r.absorb(pooled[hash], own)
	}
}

// absorb applies the pooled values of one key. own is this subtask's report.
func (r *original) absorb(p *sharedArms, own report) {
	k := r.hot.index.Get(p.hash)
	if k < 0 {
		if k = r.hot.admit(p.hash); k < 0 {
			return
		}
	}
	e := &r.hot.keys[k]
	r.hot.heat(e, p.until)
	a := r.armsOf(k)
	mine := slices.IndexFunc(own, func(s sharedArms) bool { return s.hash == p.hash && s.term == e.term })
	for w := range a.q {
		mean := p.q[w] / p.weight
		if mine >= 0 {
			s := &own[mine]
			a.q[w] += math.Pow(1-r.LearningRate, float64(a.updates[w]-s.updates[w])) * (mean - s.q[w])
		} else {
			a.q[w] = mean
		}
	}
	a.best.reset(a.q, int(e.home))
}

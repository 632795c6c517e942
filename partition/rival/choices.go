package rival

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/internal/sums"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/tally"
	"github.com/saspart/saspart/partition/sketch"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// ChoicesConfig holds the constants of dchoices and wchoices. The defaults are the published ones.
type ChoicesConfig struct {
	Head     float64 `yaml:"head"`     // keys with at least 1/(Head*P) of the records are head keys
	Epsilon  float64 `yaml:"epsilon"`  // tolerated imbalance, as a share of all records (dchoices)
	Counters int     `yaml:"counters"` // size of the sketch; 0 for 4 per key that could be a head key: 4*Head*P
	Refresh  float64 `yaml:"refresh"`  // growth of the stream, as a share, after which the number of choices is recomputed (dchoices)
}

// DefaultChoices has the published constants: head 5, epsilon 1e-4.
func DefaultChoices() ChoicesConfig {
	return ChoicesConfig{Head: 5, Epsilon: 1e-4, Refresh: 1.0 / 16}
}

// Validate reports every impossible value by its path.
func (c *ChoicesConfig) Validate() error {
	return errors.Join(
		field.Finite("head", c.Head, 1e-3, 1e6),
		field.Finite("epsilon", c.Epsilon, 0, 1),
		field.Whole("counters", c.Counters, 0, 1<<24),
		field.Finite("refresh", c.Refresh, 1e-6, 1e6),
	)
}

// counters is the size of the sketch for P workers.
func (c *ChoicesConfig) counters(workers int) int {
	if c.Counters > 0 {
		return c.Counters
	}
	return int(math.Ceil(min(4*max(c.Head, 1)*float64(workers), 1<<20)))
}

// choicesRouter is `dchoices` and `wchoices`: the few head keys get as many workers as
// balance needs, all others two.
//
// Source: Nasir, De Francisci Morales, Kourtellis, Serafini: When two choices are
// not enough (ICDE 2016); docs/algorithms.md, "dchoices and wchoices".
//
// Rule: this subtask counts its keys with SpaceSaving. A key with at least 1/(5P) of the
// records is a head key; pkg routes the others, the tail. A record of a head key goes to the
// least loaded of the candidate workers, of equals to the first. In wchoices all P workers are
// candidates. In dchoices the key's first d hash choices are, or all P workers once d reaches P;
// headChoices computes d from the estimated frequencies. Loads are the records that this
// subtask has sent since the start.
//
// Constants: head 5, epsilon 1e-4.
//
// Deviations: every record tests whether its key is a head key, as published, but d is only
// recomputed when the stream has grown by 1/16. Until then no frequency since the start can
// have changed by more than that. The published code adds the sketch's error to counts that
// contain it already; published: true does so too.
//
// Cost: one lookup in the sketch per record. For a head record, dchoices inspects d loads;
// wchoices finds the least loaded worker with tally.Least, in O(1) amortised.
//
// Merge: every key that has more than one worker to choose from.
type choicesRouter struct {
	cfg       ChoicesConfig
	published bool
	all       bool // wchoices: head keys may use every worker

	sketch  *sketch.SpaceSaving
	loads   []int64     // records sent to each worker by this subtask
	least   tally.Least // of loads
	d       int         // choices of a head key; P or more: every worker
	refresh int64       // records at which d is computed next
	top     []policy.HotKey
	head    []float64
}

// NewDChoices makes the dchoices partitioner.
func NewDChoices(c ChoicesConfig, env partition.Env, published bool) partition.Router {
	return newChoicesRouter(c, env, false, published)
}

// NewWChoices makes the wchoices partitioner.
func NewWChoices(c ChoicesConfig, env partition.Env, published bool) partition.Router {
	return newChoicesRouter(c, env, true, published)
}

func newChoicesRouter(c ChoicesConfig, env partition.Env, all, published bool) *choicesRouter {
	m := c.counters(env.Workers)
	r := &choicesRouter{
		cfg: c, published: published, all: all,
		sketch: sketch.NewSpaceSaving(m),
		loads:  make([]int64, env.Workers),
		d:      2,
	}
	if !all {
		most := min(m, int(math.Ceil(r.headInverse()))+1)
		r.top = make([]policy.HotKey, 0, most)
		r.head = make([]float64, 0, most)
	}
	return r
}

// headInverse is 1 over the frequency from which a key is a head key.
func (r *choicesRouter) headInverse() float64 { return r.cfg.Head * float64(len(r.loads)) }

// Route implements Router.
func (r *choicesRouter) Route(b *stream.Batch, dst []partition.Dest) {
	s, inverse := r.sketch, r.headInverse()
	if !r.all && s.Total() >= r.refresh {
		r.d = r.computeChoices()
		r.refresh = s.Total() + int64(r.cfg.Refresh*float64(s.Total())) + int64(len(r.loads))
	}
	merge := partition.Merge
	if len(r.loads) == 1 {
		merge = 0
	}
	hashes := b.Hashes[:len(dst)]
	for i, h := range hashes {
		if count, err := s.ObserveRecord(h, b, i); float64(r.count(count, err))*inverse < float64(s.Total()) {
			dst[i] = lighter(h, r.loads) | merge
			continue
		}
		to := 0
		if r.all || r.d >= len(r.loads) {
			to = r.least.Find(r.loads)
		} else {
			to = r.leastChoice(h)
		}
		r.loads[to]++
		dst[i] = partition.Dest(to) | merge
	}
}

// EndSlide implements Router; counts and loads are of the whole run.
func (r *choicesRouter) EndSlide(int64) {}

// count returns the number of records that a counter of the sketch stands for.
func (r *choicesRouter) count(count, err int64) int64 {
	if r.published {
		return count + err
	}
	return count
}

// leastChoice is the least loaded of a head key's d choices.
func (r *choicesRouter) leastChoice(hash uint64) int {
	workers := uint64(len(r.loads))
	best := choice(hash, 0, workers)
	for i := 1; i < r.d; i++ {
		if w := choice(hash, i, workers); r.loads[w] < r.loads[best] {
			best = w
		}
	}
	return best
}

// computeChoices returns the number of choices of a head key for the frequencies counted so far.
func (r *choicesRouter) computeChoices() int {
	total := float64(r.sketch.Total())
	r.top = r.sketch.Top(cap(r.top), r.top)
	r.head = r.head[:0]
	for _, k := range r.top {
		if n := float64(r.count(k.Count, k.Error)); n*r.headInverse() >= total {
			r.head = append(r.head, n/total)
		}
	}
	slices.SortFunc(r.head, func(a, b float64) int { return cmp.Compare(b, a) })
	return headChoices(r.head, len(r.loads), r.cfg.Epsilon)
}

// headChoices returns the number of hash choices d that head keys need, from 2 to P. A prefix of
// h head keys can reach b_h workers. d is the smallest number from p1*P on that keeps the
// expected load of these workers within their fair share, for every h:
//
//	sum_{i<=h} p_i + (b_h/P)^d sum_{h<i<=H} p_i + (b_h/P)^2 tail <= b_h (1/P + epsilon)
//	b_h = P - P ((P-1)/P)^(h d)
//
// P stands for every worker. head holds the frequencies of the head keys, descending. See
// docs/algorithms.md, "dchoices and wchoices".
func headChoices(head []float64, workers int, epsilon float64) int {
	if len(head) == 0 {
		return min(2, workers)
	}
	all := sums.Of(head)
	tail := max(0, 1-all)
	for d := max(2, int(math.Ceil(head[0]*float64(workers)))); d < workers; d++ {
		if balances(head, all, tail, d, workers, epsilon) {
			return d
		}
	}
	return workers
}

// balances reports whether d choices satisfy the inequality of headChoices for every prefix
// of the head. all is the frequency of the whole head, tail that of all other keys.
func balances(head []float64, all, tail float64, d, workers int, epsilon float64) bool {
	p := float64(workers)
	missedBy := math.Pow((p-1)/p, float64(d)) // chance that a worker is none of a key's d choices
	missed, prefix := 1.0, 0.0
	for _, freq := range head {
		prefix += freq
		missed *= missedBy
		reached := 1 - missed // b_h/P
		load := prefix + math.Pow(reached, float64(d))*(all-prefix) + reached*reached*tail
		if load > reached*(1+epsilon*p) {
			return false
		}
	}
	return true
}

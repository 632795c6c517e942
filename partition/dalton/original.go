// Package dalton has the partitioners of the Dalton paper and those derived from it. dagreedy does
// not learn; dalton-original, dalton-metrics and dalton-offline learn while records pass.
package dalton

import (
	"errors"
	"math"
	"math/rand/v2"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/tally"
	"github.com/saspart/saspart/stream"
)

// Config holds the constants of `dalton-original` and `dalton-metrics`.
type Config struct {
	LearningRate     float64 `yaml:"learning_rate"`     // a: weight of the latest reward in Q
	Epsilon          float64 `yaml:"epsilon"`           // share of hot records that explore
	Initial          float64 `yaml:"initial"`           // Q of a worker never tried; below every reward
	Balance          float64 `yaml:"balance"`           // weight of the load in the reward, against fragmentation (dalton-original)
	SplitMin         int     `yaml:"split_min"`         // maxSplit at the start
	SplitMax         int     `yaml:"split_max"`         // maxSplit at most
	SplitShare       float64 `yaml:"split_share"`       // maxSplit rises once this share of the hot keys has reached it
	SketchFrom       int     `yaml:"sketch_from"`       // distinct keys in a slide from which on they are counted by sketch; 0 never
	SketchEpsilon    float64 `yaml:"sketch_epsilon"`    // Count-Min: error, as a share of the slide's records
	SketchConfidence float64 `yaml:"sketch_confidence"` // Count-Min: how surely the error is within epsilon
}

// Default gives the published constants.
func Default() Config {
	return Config{
		LearningRate: 0.1, Epsilon: 0.1, Initial: -2, Balance: 0.5,
		SplitMin: 2, SplitMax: 6, SplitShare: 0.7,
		SketchFrom: 10000, SketchEpsilon: 0.05, SketchConfidence: 0.9,
	}
}

// Validate reports impossible values by their path.
func (c *Config) Validate() error {
	return errors.Join(
		field.Finite("learning_rate", c.LearningRate, 0, 1),
		field.Finite("epsilon", c.Epsilon, 0, 1),
		field.Finite("initial", c.Initial, -1e6, 1e6),
		field.Finite("balance", c.Balance, 0, 1),
		field.Whole("split_min", c.SplitMin, 1, 1<<15),
		field.Whole("split_max", c.SplitMax, c.SplitMin, 1<<15),
		field.Finite("split_share", c.SplitShare, 0, 1),
		field.Whole("sketch_from", c.SketchFrom, 0, 1<<30),
		field.Finite("sketch_epsilon", c.SketchEpsilon, 1e-6, 1),
		field.Finite("sketch_confidence", c.SketchConfidence, 0, 0.999999),
	)
}

// original is `dalton-original` and `dalton-metrics`: a contextual bandit per hot
// key.
//
// Source: Zapridou, Mytilinis, Ailamaki: Dalton: Learned partitioning for
// distributed data streams (PVLDB 2023); docs/algorithms.md, "Dalton".
//
// Rule: a key is hot as in dagreedy with divisor 1. Each hot key has a value Q[w] for every
// worker, -2 at first. A hot record goes to the worker with the greatest Q, of equals to the
// key's home, else to the first. With probability epsilon it explores a random worker instead.
// In dalton-original, a key that has reached maxSplit workers only explores those. Then
// Q[w] <- (1-a)*Q[w] + a*reward:
//
//	dalton-original: -(b*(L-avg)/max(L,avg) + (1-b)*fragmentation/P)
//	dalton-metrics:  (avg-busy)/max(avg,busy)
//
// L is the worker's number of records in the aggregation window, and fragmentation the key's
// number of workers there. Both include this record. The busy ratio of a worker is that of the
// latest metric window. Before the first window the reward is 0. The limit maxSplit rises from 2
// to 6, by one whenever at least 70 % of the hot keys have reached it. A key that stays cold for a slide
// forgets its Q. Cold keys go by hash. Subtasks exchange what they learned: see Absorb.
//
// Constants: a = epsilon = 0.1, b = 0.5, maxSplit 2 to 6, 70 %. Keys are counted exactly up to
// 10,000 distinct keys in a slide, and beyond that by Count-Min (0.05, 0.9).
//
// Deviations. The public code differs in three ways, which published: true follows.
//
// Its fragmentation never expires, because it clears the wrong bit. By default it expires with
// the window.
//
// Only a key with exactly maxSplit workers has reached it, and keys that went cold still count.
// By default a key with more workers has reached it too, and cold keys do not count.
//
// From P = 20 on, the sketch's error of 5 % of a slide exceeds the threshold, and almost every
// key is hot. By default the error is at most a tenth of the threshold.
//
// In both, distinct keys are counted per slide instead of since the start, known keys are
// counted exactly, and a subtask's threshold follows from its own records. Exact counts and hot
// keys are bounded (see tally.KeyCounts, hotKeys). An unmeasured worker counts as saturated.
//
// Cost: O(log P) per hot record (see bestTree); O(P/64) to explore a key's own workers.
//
// Merge: as dagreedy.
type original struct {
	Config
	workers   int
	merge     partition.Dest
	subtask   int
	published bool
	rng       *rand.Rand
	loads     *tally.SlideLoads
	hot       *hotKeys
	arms      []arms    // by entry of hot
	rewards   []float64 // dalton-metrics: by worker; nil in dalton-original

	maxSplit int
	stage    int // counts the rises of maxSplit
	reached  int // hot keys that have reached maxSplit
}

// arms is what a router has learned about a hot key.
type arms struct {
	hash    uint64    // of the key
	term    uint64    // of the hotKey that it belongs to
	q       []float64 // by worker
	updates []uint32  // of q, by worker: how far it has moved since it was shared
	best    bestTree
	capped  int // the stage in which the key reached maxSplit, -1 none
}

// NewOriginal makes the dalton-original partitioner.
func NewOriginal(c Config, env partition.Env, published bool) partition.Router {
	p, slides := env.Workers, max(1, env.WindowSlides)
	if !published {
		c.SketchEpsilon = math.Min(c.SketchEpsilon, 0.1/float64(p))
	}
	return &original{
		Config: c, workers: p, merge: tally.MergeAmong(p), subtask: env.Subtask, published: published,
		rng:      subtaskRand(env, "dalton"),
		loads:    tally.NewSlideLoads(p, slides),
		maxSplit: c.SplitMin,
		hot: newHotKeys(hotOptions{
			workers: p, slides: slides, divisor: float64(p), limit: 4*p + 64, keep: published,
			sketchFrom: c.SketchFrom, epsilon: c.SketchEpsilon, confidence: c.SketchConfidence,
		}),
	}
}

// subtaskRand returns the random stream of a partitioner's subtask.
func subtaskRand(env partition.Env, name string) *rand.Rand {
	return rand.New(rand.NewPCG(env.Seed, stream.Hash(name)+uint64(env.Subtask)))
}

// Route implements Router.
func (r *original) Route(b *stream.Batch, dst []partition.Dest) {
	for i, hash := range b.Hashes[:len(dst)] {
		w := tally.Home(hash, r.workers)
		k := r.hot.see(hash)
		switch {
		case k < 0:
			r.loads.Add(w)
			dst[i] = partition.Dest(w)
		case !r.hot.isHot(k):
			r.hot.mark(k, w)
			r.loads.Add(w)
			dst[i] = partition.Dest(w) | r.merge
		default:
			a := r.armsOf(k)
			w = r.choose(a, &r.hot.keys[k].at)
			r.hot.mark(k, w)
			r.loads.Add(w)
			r.learn(a, w, r.reward(a, k, w))
			dst[i] = partition.Dest(w) | r.merge
		}
	}
}

// choose picks a worker for a record of a hot key that has been on the workers of at.
func (r *original) choose(a *arms, at *tally.WorkerSet) int {
	if r.rng.Float64() < 1-r.Epsilon {
		return a.best.best()
	}
	if a.capped == r.stage && at.N > 0 {
		return at.Pick(r.rng.IntN(at.N))
	}
	return r.rng.IntN(r.workers)
}

// reward rates the worker that a record of entry k was just sent to.
func (r *original) reward(a *arms, k int32, w int) float64 {
	if r.rewards != nil {
		return r.rewards[w]
	}
	r.split(a, r.hot.keys[k].at.N)
	load, avg := r.loads.Load[w], r.loads.Total/float64(r.workers)
	fragmentation := float64(r.hot.keys[k].at.N) / float64(r.workers)
	return -(r.Balance*(load-avg)/math.Max(load, avg) + (1-r.Balance)*fragmentation)
}

// split notes that a hot key is on n workers, and raises maxSplit when enough keys have reached it.
func (r *original) split(a *arms, n int) {
	if a.capped != r.stage && (n == r.maxSplit || n > r.maxSplit && !r.published) {
		a.capped = r.stage
		r.reached++
	}
	if r.maxSplit < r.SplitMax && float64(r.reached) >= r.SplitShare*float64(r.hot.hot) {
		r.maxSplit++
		r.stage++
		r.reached = 0
	}
}

// learn moves Q towards the reward.
func (r *original) learn(a *arms, w int, reward float64) {
	a.q[w] = (1-r.LearningRate)*a.q[w] + r.LearningRate*reward
	a.updates[w]++
	a.best.update(a.q, w)
}

// armsOf returns the arms of entry k. They start afresh if the entry's key has become hot since.
func (r *original) armsOf(k int32) *arms {
	if n := len(r.hot.keys) - len(r.arms); n > 0 {
		r.grow(n)
	}
	a, e := &r.arms[k], &r.hot.keys[k]
	if a.term != e.term {
		if a.hash != e.hash || !r.published {
			a.capped = -1
		}
		a.hash, a.term = e.hash, e.term
		for w := range a.q {
			a.q[w] = r.Initial
		}
		clear(a.updates)
		a.best.reset(a.q, int(e.home))
	}
	return a
}

// grow adds arms for n more entries.
func (r *original) grow(n int) {
	p := r.workers
	q, updates := make([]float64, n*p), make([]uint32, n*p)
	trees := newBestTrees(n, p)
	for i := range n {
		r.arms = append(r.arms, arms{q: q[i*p : (i+1)*p], updates: updates[i*p : (i+1)*p], best: trees[i], capped: -1})
	}
}

// EndSlide implements Router.
func (r *original) EndSlide(slide int64) {
	for range r.hot.clock.Ahead(slide, r.hot.slides+2) {
		r.loads.EndSlide()
	}
	r.hot.endSlide(slide)
	if r.published {
		return
	}
	r.reached = 0
	for k := range r.arms {
		e := &r.hot.keys[k]
		if e.live && r.hot.isHot(int32(k)) && r.arms[k].term == e.term && r.arms[k].capped == r.stage {
			r.reached++
		}
	}
}

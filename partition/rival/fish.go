package rival

import (
	"errors"
	"math"
	"time"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/tally"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// FishConfig holds the constants of `fish`.
type FishConfig struct {
	Counters int           `yaml:"counters"` // keys counted at a time
	Epoch    int           `yaml:"epoch"`    // records in an epoch
	Decay    float64       `yaml:"decay"`    // factor of all counts at the end of an epoch
	Hot      float64       `yaml:"hot"`      // a key is hot above the frequency 1/(hot*P)
	MinWork  int           `yaml:"min_work"` // least number of workers of a hot key
	Interval time.Duration `yaml:"interval"` // time between two updates of the workers' backlogs
}

// DefaultFish has the constants below.
func DefaultFish() FishConfig {
	return FishConfig{Counters: 1000, Epoch: 1000, Decay: 0.2, Hot: 4, MinWork: 2, Interval: 10 * time.Second}
}

// Validate reports impossible values by their path.
func (c *FishConfig) Validate() error {
	return errors.Join(
		field.Whole("counters", c.Counters, 1, 1<<20),
		field.Whole("epoch", c.Epoch, 1, 1<<30),
		field.Finite("decay", c.Decay, 0, 1),
		field.Finite("hot", c.Hot, 1e-3, 1e6),
		field.Whole("min_work", c.MinWork, 1, policy.MaxWorkers),
		field.Lasting("interval", c.Interval),
	)
}

// fish is `fish`: recent hotness, and backlogs that are inferred instead of requested.
//
// Source: Huang: Efficient time-evolving stream processing at scale (arXiv 1806.00760);
// docs/algorithms.md, "fish". Its three parts are kept: keys are counted within an epoch in bounded
// memory, hotness decays between epochs, and a sender infers the workers' backlogs instead of
// requesting them. There is no public code. How the parts work in detail is ours and was not
// checked against the paper's text.
//
// Rule, in three parts.
//
// Hotness: there is a fixed number of counters. A key without one takes over the smallest and
// continues from its count. At the end of an epoch, which is a number of records, all counts
// are multiplied by the decay.
//
// Candidates: a key's frequency f is its count over the sum of all counts. A key with
// f > theta = 1/(hot*P) is hot and gets d = P/2^floor(log2(fmax/f)) workers. d is at least
// min_work, and does not shrink while the key keeps its counter. Any other key gets two. Candidate
// i of a key is worker (a + i*s) mod P, where a and s derive from the hash and s is prime to P.
// So the candidates are distinct, and a growing d only adds workers.
//
// Assignment: a record goes to the candidate with the least work waiting. Of two equal candidates
// the first wins, of more the one with the lowest index. Each record adds its worker's service
// time to the work waiting there. Every interval T takes off T/S, the time that the worker
// spends on one of S subtasks: C <- max(0, C + N - T/(S*t)) in records of service time t.
//
// Constants, ours, all of them options: 1000 counters, epochs of 1000 records,
// decay 0.2, theta 1/(4P), T = 10 s.
//
// Deviations: published changes nothing, as there is no public code. The set of workers is fixed,
// so candidates need no consistent hashing. Service times are busy time per record in each
// metric window. Before the first window they count as equal, and no work is taken off. T ends
// at the first slide boundary after it is due.
//
// Cost: O(log P) amortised for a record of a key that may use all workers, else O(d). Over a
// whole stream that is P*sum(f^2)/fmax comparisons per record, a quarter of P at zipf 1.5. An
// epoch's end costs O(counters).
//
// Merge: every key, as every key has at least two workers.
type fish struct {
	FishConfig
	workers int
	theta   float64
	merge   partition.Dest
	strides []uint32 // below P and prime to it
	clock   tally.SlideClock
	every   int64   // slides between updates
	drain   float64 // seconds of work done per update

	index tally.Numbers
	keys  []fishKey      // by number
	count []float64      // by key
	least tally.Lightest // of count, over keys
	most  float64        // the largest count
	sum   float64
	epoch int // records since its start

	waiting []float64      // by worker: work sent and not done, in the units of service
	service []float64      // by worker: seconds per record
	timed   bool           // service has been measured
	all     tally.Lightest // of waiting
}

// fishKey is a key that has a counter.
type fishKey struct {
	hash   uint64
	d      int // the most workers it had
	first  int // candidates are first, first+stride, .. mod P
	stride int
}

// NewFish makes the fish partitioner.
func NewFish(c FishConfig, env partition.Env) partition.Router {
	p := env.Workers
	r := &fish{
		FishConfig: c, workers: p, merge: tally.MergeAmong(p), theta: 1 / (c.Hot * float64(p)), every: 1,
		all: tally.NewLightest(p), waiting: make([]float64, p), service: make([]float64, p),
		keys: make([]fishKey, 0, c.Counters), count: make([]float64, 0, c.Counters),
	}
	if env.Slide > 0 {
		r.every = tally.SlidesIn(c.Interval, env.Slide)
		r.drain = (time.Duration(r.every) * env.Slide).Seconds() / float64(max(1, env.Subtasks))
	}
	for w := range r.service {
		r.service[w] = 1
	}
	for s := 1; s < max(p, 2); s++ {
		if gcd(s, p) == 1 {
			r.strides = append(r.strides, uint32(s))
		}
	}
	return r
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Route implements Router.
func (r *fish) Route(b *stream.Batch, dst []partition.Dest) {
	for i, hash := range b.Hashes[:len(dst)] {
		k := r.see(hash)
		w := 0
		if d := r.candidates(k); d > 2 {
			w = r.spread(&r.keys[k], d)
		} else {
			w = r.two(&r.keys[k], d)
		}
		r.waiting[w] += r.service[w]
		dst[i] = partition.Dest(w) | r.merge
	}
}

// see counts a record of the key and returns the number of its counter.
func (r *fish) see(hash uint64) int32 {
	if r.epoch == r.Epoch {
		r.epoch = 0
		r.fade()
	}
	r.epoch++
	r.sum++
	k := r.index.Get(hash)
	if k < 0 {
		k = r.admit(hash)
	}
	r.count[k]++
	r.most = math.Max(r.most, r.count[k])
	return k
}

// admit gives the key a counter: an unused one, or the smallest.
func (r *fish) admit(hash uint64) int32 {
	if len(r.keys) == r.Counters {
		k := int32(r.least.Min(r.count))
		r.index.Remove(r.keys[k].hash, k)
	}
	k := r.index.Add(hash)
	if int(k) == len(r.keys) {
		r.keys = append(r.keys, fishKey{})
		r.count = append(r.count, 0)
		r.least.Add(int(k), r.count)
	}
	e := &r.keys[k]
	at := tally.Mix(hash)
	e.hash, e.d = hash, 0
	e.first = int(at % uint64(r.workers))
	e.stride = int(r.strides[at>>32*uint64(len(r.strides))>>32])
	return k
}

// fade ends an epoch.
func (r *fish) fade() {
	r.sum *= r.Decay
	r.most *= r.Decay
	for k := range r.count {
		r.count[k] *= r.Decay
	}
	r.least.Refresh(r.count)
}

// candidates returns the number of workers that the key of counter k may use.
func (r *fish) candidates(k int32) int {
	if r.count[k] <= r.theta*r.sum {
		return min(2, r.workers)
	}
	e := &r.keys[k]
	halvings := math.Ilogb(r.most / r.count[k])
	d := max(r.workers>>min(halvings, 30), r.MinWork)
	e.d = max(e.d, min(d, r.workers))
	return e.d
}

// two returns the lighter of the key's first d candidates, one or two.
func (r *fish) two(e *fishKey, d int) int {
	a := e.first
	if d < 2 {
		return a
	}
	b := a + e.stride
	if b >= r.workers {
		b -= r.workers
	}
	if r.waiting[b] < r.waiting[a] {
		return b
	}
	return a
}

// spread returns the lightest of the key's first d candidates, more than two.
func (r *fish) spread(e *fishKey, d int) int {
	if d == r.workers {
		return r.all.Min(r.waiting)
	}
	best := e.first
	least := r.waiting[best]
	for w := best; d > 1; d-- {
		if w += e.stride; w >= r.workers {
			w -= r.workers
		}
		if l := r.waiting[w]; l < least || l == least && w < best {
			best, least = w, l
		}
	}
	return best
}

// Observe implements Learner: it measures the service times.
func (r *fish) Observe(w *policy.Window) {
	if len(w.Busy) != r.workers || len(w.Counts) != r.workers {
		return
	}
	seconds := (w.End - w.Start).Seconds()
	sum, n := 0.0, 0
	for i, busy := range w.Busy {
		if t := busy * seconds / float64(w.Counts[i]); t > 0 && !math.IsInf(t, 0) {
			sum += t
			n++
		}
	}
	if n == 0 {
		return
	}
	if !r.timed {
		// Until now waiting work was counted in records. An unmeasured worker counts as an
		// average one.
		r.timed = true
		for i := range r.service {
			r.service[i] = sum / float64(n)
			r.waiting[i] *= r.service[i]
		}
		r.all.Refresh(r.waiting)
	}
	for i, busy := range w.Busy {
		if t := busy * seconds / float64(w.Counts[i]); t > 0 && !math.IsInf(t, 0) {
			r.service[i] = t
		}
	}
}

// EndSlide implements Router: when an interval ends, it takes off the work that the workers
// must have done.
func (r *fish) EndSlide(slide int64) {
	before := r.clock.Now / r.every
	r.clock.Passed(slide, 1)
	intervals := float64(r.clock.Now/r.every - before)
	if intervals == 0 || !r.timed {
		return
	}
	for w := range r.waiting {
		r.waiting[w] = math.Max(0, r.waiting[w]-intervals*r.drain)
	}
	r.all.Refresh(r.waiting)
}

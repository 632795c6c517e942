package operator

import (
	"cmp"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/saspart/saspart/internal/minheap"
	"github.com/saspart/saspart/policy"
)

// timedKeys is how many keys a worker lists in its times, at most: the others are known by
// their slots.
const timedKeys = 32

// timing is what a worker timed of the records of a key or slot.
type timing struct {
	records int64
	total   Picos
}

func (t *timing) add(o timing) {
	t.records += o.records
	t.total += o.total
}

// Took says how long the record took that was added last.
func (c *Combiner) Took(t Picos) {
	c.last.timed.add(timing{1, t})
	c.squares += float64(t) * float64(t)
}

// timesMemory is scratch memory that all combiners share.
type timesMemory struct {
	slots []timing
	used  []uint64                   // which slots have timed records, a bit each
	heavy minheap.Heap[Picos, int32] // entries of the keys to list, the lightest first
	named []timing                   // records of listed keys, by slot
}

var timesMemories = sync.Pool{New: func() any { return new(timesMemory) }}

// Times sets to to what was timed since the last call, in to's memory. slots is the number of
// hash slots. It lists the keys that had taken longest when it was called before: if they were
// chosen by the times that it lists, these would be too long, since chance helps to be chosen.
func (c *Combiner) Times(to *policy.Times, slots int) {
	to.Reset()
	m := timesMemories.Get().(*timesMemory)
	defer timesMemories.Put(m)
	if len(m.slots) != slots {
		m.slots, m.named, m.used = make([]timing, slots), make([]timing, slots), make([]uint64, (slots+63)/64)
	}
	m.heavy = m.heavy[:0]
	squares := spread{squares: c.squares}
	c.squares = 0
	for i := range c.entries {
		e := &c.entries[i]
		if e.timed.records == 0 {
			continue
		}
		s := policy.SlotOf(e.hash, slots)
		m.slots[s].add(e.timed)
		m.used[s/64] |= 1 << (s % 64)
		if e.heavy {
			to.Keys = append(to.Keys, policy.KeyTime{Hash: e.hash, Name: e.key, Records: e.timed.records, Total: e.timed.total.Duration()})
			m.named[s].add(e.timed)
			squares.add(e.timed)
		}
		switch {
		case len(m.heavy) < timedKeys:
			m.heavy.Push(e.timed.total, int32(i))
		case m.heavy[0].Key < e.timed.total:
			m.heavy[0] = minheap.Item[Picos, int32]{Key: e.timed.total, ID: int32(i)}
			m.heavy.FixFirst()
		}
	}
	to.Keys = distinct(to.Keys)
	total := Picos(0)
	for i, word := range m.used {
		m.used[i] = 0
		for ; word != 0; word &= word - 1 {
			s := 64*i + bits.TrailingZeros64(word)
			t, k := m.slots[s], m.named[s]
			m.slots[s], m.named[s] = timing{}, timing{}
			to.Slots = append(to.Slots, policy.SlotTime{Slot: int32(s), Records: t.records, Total: t.total.Duration()})
			to.Records += t.records
			total += t.total
			squares.add(timing{t.records - k.records, t.total - k.total})
		}
	}
	to.Total, to.Scatter = total.Duration(), squares.scatter()
	for i := range c.entries {
		c.entries[i].timed, c.entries[i].heavy = timing{}, false
	}
	for _, k := range m.heavy {
		c.entries[k.ID].heavy = true
	}
}

// distinct sorts keys by hash. Of keys with equal hashes it keeps the first.
func distinct(keys []policy.KeyTime) []policy.KeyTime {
	slices.SortFunc(keys, func(a, b policy.KeyTime) int {
		return cmp.Or(cmp.Compare(a.Hash, b.Hash), strings.Compare(a.Name, b.Name))
	})
	return slices.CompactFunc(keys, func(a, b policy.KeyTime) bool { return a.Hash == b.Hash })
}

// spread estimates the scatter of times within groups of records. With v the scatter and m
// the mean time of a group of n records, the expected sum of squared times is
// (1+v) sum(n m²), and that of total²/n is sum((n+v) m²).
type spread struct{ squares, between, means float64 }

func (s *spread) add(t timing) {
	if t.records < 1 {
		return
	}
	mean := float64(t.total) / float64(t.records)
	s.between += mean * float64(t.total)
	s.means += mean * mean
}

func (s *spread) scatter() float64 {
	within, free := s.squares-s.between, s.between-s.means
	// A difference of rounding errors is no scatter.
	if within < 1e-9*s.squares || free <= 0 {
		return 0
	}
	return within / free
}

// A worker times one record in sampled, and more of records that take long: one in as many as
// take timingShare in sum, so that reading the clock costs less than a hundredth of the work.
const (
	sampled     = 32
	timingShare = 16 * time.Microsecond
)

// Sampler chooses the records that a worker times, and times them. The gaps between them are
// random, since records of a key can come at regular distances.
type Sampler struct {
	gap   int
	rng   *rand.Rand
	clock time.Duration // time between two readings of the clock with nothing between them
	begun time.Time
	mean  float64 // faded mean of the times, ns
}

// A thread that loses its core while it times a record would make a key look expensive for
// several windows. So no time counts more than longest times the mean, which fades by
// meanFade per record.
const (
	longest  = 64
	meanFade = 1.0 / 256
)

// NewSampler returns the sampler of one worker.
func NewSampler(seed, worker uint64) *Sampler {
	s := &Sampler{rng: rand.New(rand.NewPCG(seed, worker)), clock: math.MaxInt64}
	for range 64 {
		t := time.Now()
		s.clock = min(s.clock, time.Since(t))
	}
	return s
}

// Due reports whether the next record is to be timed.
func (s *Sampler) Due() bool {
	s.gap--
	return s.gap < 0
}

// Begin starts timing a record.
func (s *Sampler) Begin() {
	every := sampled
	if s.mean > 0 {
		every = int(min(max(float64(timingShare)/s.mean, 1), sampled))
	}
	s.gap = s.rng.IntN(2*every - 1)
	s.begun = time.Now()
}

// End returns how long the record took.
func (s *Sampler) End() Picos {
	t := float64(max(time.Since(s.begun)-s.clock, 1))
	if s.mean == 0 {
		s.mean = t
	}
	t = min(t, longest*s.mean)
	s.mean += meanFade * (t - s.mean)
	return Picos(t * perNano)
}

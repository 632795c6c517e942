package jobtest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/stream"
)

// steady are arrivals at equal gaps, a subtask's share of the job's rate.
type steady struct {
	rate           float64 // of the whole job, records/s
	subtask, tasks int
	n              int64 // records so far
}

func (s *steady) Fill(times []int64, until int64) int {
	for i := range times {
		k := s.n*int64(s.tasks) + int64(s.subtask)
		t := int64(float64(k) / s.rate * 1e9)
		if t >= until {
			return i
		}
		times[i] = t
		s.n++
	}
	return len(times)
}
func (s *steady) Observe(time.Duration, float64) {}
func (s *steady) RateAt(time.Duration) float64   { return s.rate }

// skewed is a source of keys k0, k1, ... of which low numbers are heavier, with
// a payload for wordcount; it never ends.
type skewed struct {
	rng  *rand.Rand
	keys []string
	hash []uint64
	pow  float64
}

func newSkewed(keys int, pow float64, seed uint64) *skewed {
	s := &skewed{rng: rand.New(rand.NewPCG(seed, 7)), pow: pow}
	for i := range keys {
		k := fmt.Sprintf("k%d", i)
		s.keys, s.hash = append(s.keys, k), append(s.hash, stream.Hash(k))
	}
	return s
}

func (s *skewed) Fill(b *stream.Batch) (int, error) {
	for i := range b.Records {
		k := int(float64(len(s.keys)) * math.Pow(s.rng.Float64(), s.pow))
		b.Records[i].Key, b.Records[i].Hash, b.Hashes[i] = s.keys[k], s.hash[k], s.hash[k]
		b.Records[i].Text = "to be or not to be"
	}
	return len(b.Records), nil
}

// SteadySetup is a job of the given shape at a rate, of the task count.
func SteadySetup(c engine.Config, sc partition.Scheme, rate, pow float64) engine.Setup {
	s := engine.Setup{Config: c, Task: CountTask{}, Scheme: sc, Seed: 1}
	for i := range c.Partitioners {
		s.Sources = append(s.Sources, newSkewed(1000, pow, uint64(i)))
		s.Rates = append(s.Rates, &steady{rate: rate, subtask: i, tasks: c.Partitioners})
	}
	return s
}

// CountTask counts records.
type CountTask struct{}

type countState int64

func (CountTask) Name() string                     { return "count" }
func (CountTask) NewState() stream.State           { return new(countState) }
func (CountTask) Units(*stream.Record) int         { return 0 }
func (c *countState) Add(*stream.Record)           { *c++ }
func (c *countState) Merge(o stream.State)         { *c += *o.(*countState) }
func (c *countState) Reset()                       { *c = 0 }
func (c *countState) Count() int64                 { return int64(*c) }
func (c *countState) Size() int                    { return 1 }
func (c *countState) Bytes() int                   { return 8 }
func (c *countState) AppendText(dst []byte) []byte { return fmt.Append(dst, int64(*c)) }

package jobtest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/stream"
)

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
	s := engine.Setup{Config: c, Task: Count(), Scheme: sc, Seed: 1}
	for i := range c.Partitioners {
		s.Sources = append(s.Sources, newSkewed(1000, pow, uint64(i)))
		s.Rates = append(s.Rates, stream.NewArrivals(stream.RateConfig{Kind: stream.RateFixed, Rate: rate, Spacing: stream.SpacingEven}, i, c.Partitioners, 0))
	}
	return s
}

// Count is the task that counts records.
func Count() stream.Task {
	task, err := stream.NewTask(stream.TaskConfig{Name: stream.TaskCount})
	if err != nil {
		panic(err)
	}
	return task
}

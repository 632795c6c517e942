package replay

import (
	"math"
	"math/rand/v2"

	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/train"
)

// Mix draws from two sources: the first Share of each batch's rows, rounded, come from
// First, the others from Second. Errors go back to those that are listeners. With a Share
// of one half it is the batch of online learning with offline data (Ball et al. 2023,
// "Efficient Online Reinforcement Learning with Offline Data", arXiv 2302.02948,
// section 4.1).
type Mix struct {
	First, Second train.Source
	Share         float64 // 0..1
}

// Sample implements train.Source.
func (m Mix) Sample(rng *rand.Rand, b *train.Batch) error {
	first, second := m.split(b)
	for _, half := range []struct {
		src  train.Source
		rows *train.Batch
	}{{m.First, first}, {m.Second, second}} {
		if len(half.rows.Reward) == 0 {
			continue
		}
		if err := half.src.Sample(rng, half.rows); err != nil {
			return err
		}
	}
	return nil
}

// Learned implements train.Listener.
func (m Mix) Learned(errors []float32) {
	at := m.at(len(errors))
	if l, ok := m.First.(train.Listener); ok && at > 0 {
		l.Learned(errors[:at])
	}
	if l, ok := m.Second.(train.Listener); ok && at < len(errors) {
		l.Learned(errors[at:])
	}
}

// at is the number of rows that come from First.
func (m Mix) at(rows int) int { return int(math.Round(m.Share * float64(rows))) }

// split returns the two parts of a batch, which share its memory.
func (m Mix) split(b *train.Batch) (first, second *train.Batch) {
	rows := len(b.Reward)
	at, o, a := m.at(rows), len(b.Obs)/rows, len(b.Act)/rows
	part := func(from, to int) *train.Batch {
		return &train.Batch{
			Obs: b.Obs[from*o : to*o], Act: b.Act[from*a : to*a], Reward: b.Reward[from:to],
			Next: b.Next[from*o : to*o], Terminal: b.Terminal[from:to], Weight: b.Weight[from:to],
		}
	}
	return part(0, at), part(at, rows)
}

// Recorded draws recorded transitions uniformly from a store.
type Recorded struct{ Store *dataset.Store }

// Sample implements train.Source.
func (r Recorded) Sample(rng *rand.Rand, b *train.Batch) error {
	return r.Store.Sample(rng, &dataset.Columns{Obs: b.Obs, Act: b.Act, Reward: b.Reward, Next: b.Next, Terminal: b.Terminal})
}

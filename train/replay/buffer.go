package replay

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/saspart/saspart/train"
)

// Transition is one transition: observation, action, reward, next observation.
type Transition struct {
	Obs      []float32 // [O] observation
	Act      []float32 // [A] action, in [-1,1]
	Reward   float32
	Next     []float32 // [O] next observation
	Terminal float32   // 1 if the episode ends here
}

// Buffer is a ring of the newest transitions, a train.Source that draws them by
// priority and a train.Listener that learns the priorities: the part
//
//	P(i) = p_i^alpha / sum_k p_k^alpha,  p_i = |TD error of i| + epsilon
//
// of all draws goes to i, and its weight in the loss is
//
//	w_i = (N P(i))^-beta / the batch's largest
//
// (Schaul et al. 2016, sections 3.3 and 3.4, proportional priorities). A new
// transition gets the largest priority so far, so each is soon learned from.
// Draws are stratified: one from each of B equal parts of the sum. For one goroutine.
type Buffer struct {
	cfg  Config
	dims train.Dims

	obs, act, next   []float32 // [N,O], [N,A], [N,O]
	reward, terminal []float32 // [N]
	tree             *sumTree  // p^alpha
	at               int       // index of the next transition
	most             float64   // largest p so far
	updates          uint64    // batches drawn

	drawn []int // rows of the last batch
}

// New returns an empty buffer; the configuration must be valid.
func New(cfg Config, dims train.Dims) *Buffer {
	return &Buffer{cfg: cfg, dims: dims, tree: newSumTree(cfg.Capacity), most: 1}
}

// Len is N, the number of transitions it holds.
func (b *Buffer) Len() int { return len(b.reward) }

// Add stores a copy of t, in place of the oldest if the buffer is full. Wrong lengths and
// numbers that are not finite are errors, and nothing is stored.
func (b *Buffer) Add(t Transition) error {
	if len(t.Obs) != b.dims.Obs || len(t.Next) != b.dims.Obs || len(t.Act) != b.dims.Act {
		return fmt.Errorf("replay: a transition of %d, %d and %d numbers, where %d, %d and %d belong",
			len(t.Obs), len(t.Act), len(t.Next), b.dims.Obs, b.dims.Act, b.dims.Obs)
	}
	for _, part := range []struct {
		name string
		v    []float32
	}{{"observation", t.Obs}, {"action", t.Act}, {"next observation", t.Next}, {"reward", []float32{t.Reward, t.Terminal}}} {
		for i, v := range part.v {
			if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
				return fmt.Errorf("replay: number %d of the %s is %v", i, part.name, v)
			}
		}
	}
	o, a := b.dims.Obs, b.dims.Act
	if b.Len() < b.cfg.Capacity {
		b.obs, b.act, b.next = append(b.obs, t.Obs...), append(b.act, t.Act...), append(b.next, t.Next...)
		b.reward, b.terminal = append(b.reward, t.Reward), append(b.terminal, t.Terminal)
	} else {
		copy(b.obs[b.at*o:], t.Obs)
		copy(b.act[b.at*a:], t.Act)
		copy(b.next[b.at*o:], t.Next)
		b.reward[b.at], b.terminal[b.at] = t.Reward, t.Terminal
	}
	b.tree.set(b.at, math.Pow(b.most, b.cfg.Alpha))
	b.at = (b.at + 1) % b.cfg.Capacity
	return nil
}

// beta is the current exponent of the weights.
func (b *Buffer) beta() float64 {
	if b.cfg.BetaUpdates == 0 {
		return b.cfg.Beta
	}
	return b.cfg.Beta + (1-b.cfg.Beta)*min(1, float64(b.updates)/float64(b.cfg.BetaUpdates))
}

// Sample implements train.Source.
func (b *Buffer) Sample(rng *rand.Rand, batch *train.Batch) error {
	if b.Len() == 0 {
		return errors.New("replay: there are no transitions yet")
	}
	rows := len(batch.Reward)
	b.drawn = b.drawn[:0]
	o, a := b.dims.Obs, b.dims.Act
	beta, total, most := b.beta(), b.tree.total(), 0.0
	for row := range rows {
		i := b.tree.find((float64(row) + rng.Float64()) / float64(rows) * total)
		b.drawn = append(b.drawn, i)
		copy(batch.Obs[row*o:(row+1)*o], b.obs[i*o:])
		copy(batch.Act[row*a:(row+1)*a], b.act[i*a:])
		copy(batch.Next[row*o:(row+1)*o], b.next[i*o:])
		batch.Reward[row], batch.Terminal[row] = b.reward[i], b.terminal[i]
		w := math.Pow(float64(b.Len())*b.tree.get(i)/total, -beta)
		batch.Weight[row] = float32(w)
		most = max(most, w)
	}
	for row := range rows {
		batch.Weight[row] = float32(float64(batch.Weight[row]) / most)
	}
	b.updates++
	return nil
}

// Learned implements train.Listener: the last batch gets priorities from its errors. A row
// drawn twice has the same error twice.
func (b *Buffer) Learned(errors []float32) {
	for row, i := range b.drawn {
		p := math.Abs(float64(errors[row])) + b.cfg.Epsilon
		if math.IsNaN(p) || math.IsInf(p, 0) {
			continue // the trainer reports it and stops
		}
		b.most = max(b.most, p)
		b.tree.set(i, math.Pow(p, b.cfg.Alpha))
	}
}

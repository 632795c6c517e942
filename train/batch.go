package train

import "math/rand/v2"

// Dims are the widths that a network is made for.
type Dims struct {
	Obs int // O, numbers in an observation
	Act int // A, numbers in an action
}

// Batch is what one update learns from: B transitions, row-major. NewBatch makes it;
// its slices are written to, not replaced.
type Batch struct {
	Obs      []float32 // [B,O] what was seen
	Act      []float32 // [B,A] what was done, in [-1,1]: twice the environment's action, minus 1
	Reward   []float32 // [B]
	Next     []float32 // [B,O] what was seen then
	Terminal []float32 // [B] 1 where nothing comes after; 0 where the episode was only cut off
	// Weight [B] multiplies each row's TD loss: the importance weights of prioritised
	// replay (Schaul et al. 2016, arXiv 1511.05952, section 3.4). It is 1 wherever a
	// source sets nothing.
	Weight []float32

	Both []float32 // [2B,O] Obs and Next
}

// NewBatch makes room for rows transitions.
func NewBatch(rows int, d Dims) *Batch {
	n := rows * d.Obs
	both := make([]float32, 2*n) // one after the other, for a network to take both at once
	b := &Batch{
		Obs: both[:n:n], Act: make([]float32, rows*d.Act), Reward: make([]float32, rows),
		Next: both[n:], Terminal: make([]float32, rows), Weight: make([]float32, rows), Both: both,
	}
	b.Alike()
	return b
}

// Alike weighs all rows the same.
func (b *Batch) Alike() {
	for i := range b.Weight {
		b.Weight[i] = 1
	}
}

// Source is where transitions come from.
type Source interface {
	// Sample overwrites every row of b. It draws from rng alone, which belongs to the
	// trainer and is part of its state, so that a resumed run sees the same batches.
	Sample(rng *rand.Rand, b *Batch) error
}

// Listener is a Source that wants to know what was learned from its batch, as
// prioritised replay does.
type Listener interface {
	// Learned is called after the critics' step. errors [B], in the order of the batch's
	// rows, are the means over the critics of |Q(s,a) - y| before that step, without the
	// rows' weights. The slice belongs to the trainer and is valid only during the call. Behaviour cloning has no critics and does not call it.
	Learned(errors []float32)
}

package train

import "math/rand/v2"

// Dims are the widths of a network.
type Dims struct {
	Obs int // O, numbers in an observation
	Act int // A, numbers in an action
}

// Batch is the B transitions that one update learns from, row-major. NewBatch makes it;
// sources write to its slices and do not replace them.
type Batch struct {
	Obs      []float32 // [B,O] observation
	Act      []float32 // [B,A] action, in [-1,1]: twice the environment's action, minus 1
	Reward   []float32 // [B]
	Next     []float32 // [B,O] next observation
	Terminal []float32 // [B] 1 if the episode ends here; 0 if it continues or was only cut off
	// Weight [B] multiplies each row's TD loss: the importance weights of prioritised
	// replay (Schaul et al. 2016, arXiv 1511.05952, section 3.4). Sources that do
	// not set it leave it at 1.
	Weight []float32
}

// NewBatch returns a batch of the given number of rows.
func NewBatch(rows int, d Dims) *Batch {
	b := &Batch{
		Obs: make([]float32, rows*d.Obs), Act: make([]float32, rows*d.Act), Reward: make([]float32, rows),
		Next: make([]float32, rows*d.Obs), Terminal: make([]float32, rows), Weight: make([]float32, rows),
	}
	b.Alike()
	return b
}

// Alike gives all rows the weight 1.
func (b *Batch) Alike() {
	for i := range b.Weight {
		b.Weight[i] = 1
	}
}

// Source provides transitions.
type Source interface {
	// Sample overwrites every row of b. It draws only from rng, which is part of the
	// trainer's state, so that a resumed run gets the same batches.
	Sample(rng *rand.Rand, b *Batch) error
}

// Listener is a Source that needs the errors on its batches, such as prioritised replay.
type Listener interface {
	// Learned is called after each step of the critics. errors holds |Q(s,a) - y| for
	// each row of the batch, before the step, unweighted, as a mean over the critics.
	// The slice is only valid during the call. Behaviour cloning has no critics and does
	// not call Learned.
	Learned(errors []float32)
}

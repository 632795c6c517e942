//go:build torch

package capacity

import "github.com/saspart/saspart/train/internal/nn"

// held takes steps of the network in which the memory of an unmeasured worker stays as it is,
// as learned.CapacityPolicy does.
type held struct {
	kept []float32 // [R,H] gradients of the memories that stay
}

// forward takes step s. unmeasured calls its argument with every row of an unmeasured worker.
func (h *held) forward(tape *nn.GRUTape, w *[nn.GRUTensors]nn.Matrix, s int, unmeasured func(f func(row int))) {
	tape.Forward(w, s)
	n := tape.Net.Units
	from, to := tape.At(tape.H, s, n), tape.At(tape.H, s+1, n)
	unmeasured(func(row int) { copy(to.V[row*n:(row+1)*n], from.V[row*n:]) })
}

// backward goes back through step s.
func (h *held) backward(tape *nn.GRUTape, w *[nn.GRUTensors]nn.Matrix, s int, unmeasured func(f func(row int))) {
	n := tape.Net.Units
	h.kept = nn.Resized(h.kept, len(tape.DH))
	unmeasured(func(row int) {
		dh := tape.DH[row*n:][:n]
		copy(h.kept[row*n:], dh)
		clear(dh)
	})
	tape.Backward(w, s)
	unmeasured(func(row int) {
		dh := tape.DH[row*n:][:n] // by way of the mean memory
		for u, d := range h.kept[row*n:][:n] {
			dh[u] += d
		}
	})
}

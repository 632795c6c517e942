package train

import "github.com/saspart/saspart/policy/network"

// Tensor is the tensor that checkpoints hold.
type Tensor = network.Tensor

// State is everything that a trainer needs to resume exactly, apart from its
// configuration and its data.
type State struct {
	Updates   uint64   // updates done
	Generator []byte   // the random generator, as rand.PCG marshals it
	Tensors   []Tensor // parameters and Adam's moments, by name, in a fixed order
}

// Stats describe one update.
type Stats struct {
	Update uint64             // its number, from 1
	Values map[string]float64 // what the algorithm reports, by metric name (package runlog)
}

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

// Stats describe one update, averaged over the batch and the critics. Values that the
// algorithm does not compute are 0.
type Stats struct {
	Update      uint64  // number of the update, from 1
	TD          float64 // Huber loss of a critic against the target
	Loads       float64 // half the squared error of the loads that critics fit (Config.LoadsRate), relative to the mean load
	Value       float64 // loss of the network V(s)
	Diversity   float64 // mean similarity of the critics' gradients by the action
	CQL         float64 // CQL's gap: soft maximum over sampled actions minus the data's value, unweighted
	Q           float64 // value of the data's actions
	Target      float64 // their target
	Actor       float64 // loss of the policy
	Entropy     float64 // of the policy, minus the mean log-probability of its actions
	Alpha       float64 // weight of the entropy in this update
	Imitation   float64 // minus the log-probability of the data's actions, while behaviour is cloned
	CriticNorm  float64 // gradient norm of all critics before clipping
	ActorNorm   float64 // gradient norm of the policy before clipping
	PolicyValue float64 // value of the policy's own actions, minimum over the critics
}

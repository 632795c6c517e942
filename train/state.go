package train

// Tensor is a named array of float32, row-major.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
}

// Len is the number of elements that the shape says.
func (t Tensor) Len() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// State is everything that a trainer needs to go on as if it had never stopped,
// apart from its configuration and its data.
type State struct {
	Updates   uint64   // updates done
	Generator []byte   // the random generator, as rand.PCG marshals it
	Tensors   []Tensor // parameters and Adam's moments, by name, in a fixed order
}

// Stats are what one update did, averaged over the batch (and over the critics).
// What an algorithm does not compute is 0.
type Stats struct {
	Update      uint64  // number of the update, from 1
	TD          float64 // Huber loss of a critic against the target
	Loads       float64 // half the squared error of the loads that the critics know of, relative to the mean load
	CQL         float64 // CQL's gap: soft maximum over sampled actions minus the data's value, unweighted
	Q           float64 // value of the data's actions
	Target      float64 // what they are learned towards
	Actor       float64 // loss of the policy
	Entropy     float64 // of the policy, minus the mean log-probability of its actions
	Alpha       float64 // weight of the entropy in this update
	Imitation   float64 // minus the log-probability of the data's actions, where behaviour is cloned
	CriticNorm  float64 // gradient norm of all critics before clipping
	ActorNorm   float64 // gradient norm of the policy before clipping
	PolicyValue float64 // least value among the critics of the policy's own actions
}

package train

// Estimates evaluate a policy on recorded transitions, without running it. Values are
// the critics' estimates. Critics that were trained on too little data overestimate
// actions that are not in it, so a high PolicyValue alone does not mean a good policy.
type Estimates struct {
	Rows        int     `json:"rows"`
	Q           float64 `json:"q"`        // value of the data's actions, minimum over the critics
	PolicyValue float64 `json:"q_policy"` // value of the policy's most likely actions
	Distance    float64 `json:"distance"` // root mean square between the two, per number of an action in [-1,1], or per log share

	// For the capacity action: the mean imbalance after the first windows, at the speeds in
	// the held-out recordings, of the policy and of the recorded behaviour. Where the training
	// is on scenarios: in others, of the policy and of waterfill's estimates.
	Recorded  *float64 `json:"recorded,omitempty"`
	Behaviour *float64 `json:"behaviour,omitempty"`
}

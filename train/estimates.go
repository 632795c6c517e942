package train

// Estimates say what recorded transitions tell of a policy without running it. They
// are the trainer's own opinion: a critic that was trained on too little data
// believes in actions that nobody tried, so that a high PolicyValue alone is no
// promise.
type Estimates struct {
	Rows        int     `json:"rows"`
	Q           float64 `json:"q"`        // value of the data's actions, least of the critics'
	PolicyValue float64 `json:"q_policy"` // of the policy's most likely actions
	Distance    float64 `json:"distance"` // root mean square between the two, per number of an action in [-1,1], or per log share

	// Of the capacity action: mean imbalance after the first windows, at the speeds
	// that the held-out recordings tell, of the policy and of what was recorded.
	Recorded  *float64 `json:"recorded,omitempty"`
	Behaviour *float64 `json:"behaviour,omitempty"`
}

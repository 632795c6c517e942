package train

// Estimates evaluate a policy on recorded transitions without running it. They are only as
// good as the critics: after too little data, critics overestimate actions that were never
// taken, so a high PolicyValue alone proves nothing.
type Estimates struct {
	Rows        int     `json:"rows"`
	Q           float64 `json:"q"`        // value of the data's actions, least of the critics'
	PolicyValue float64 `json:"q_policy"` // of the policy's most likely actions
	Distance    float64 `json:"distance"` // root mean square between the two, per number of an action in [-1,1], or per log share

	// Of the capacity action: mean imbalance after the first windows, at the speeds
	// of the held-out recordings, of the policy and of what was recorded.
	Recorded  *float64 `json:"recorded,omitempty"`
	Behaviour *float64 `json:"behaviour,omitempty"`
}

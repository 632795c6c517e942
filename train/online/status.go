package online

import (
	"encoding/json"
	"fmt"
)

// Status is where a training is, apart from what the student and the jobs know: what
// it came to so far, and what its stop rules and metrics count. It is saved with every
// checkpoint.
type Status struct {
	Outcome
	Since    int      `json:"since"`              // evaluations since the best
	Rewards  float64  `json:"rewards"`            // of the episode by now
	Steps    int      `json:"steps"`              // its windows by now
	Returned *float64 `json:"returned,omitempty"` // return of the last whole one
	Jobs     [][]byte `json:"jobs"`               // of each explored job
}

// status is the status as it is saved.
func (r *run) status() ([]byte, error) {
	r.Jobs = make([][]byte, len(r.Envs))
	for i, e := range r.Envs {
		var err error
		if r.Jobs[i], err = e.Save(); err != nil {
			return nil, fmt.Errorf("save job %d: %w", i, err)
		}
	}
	return json.Marshal(r.Status)
}

// ParseStatus reads what Student.Save was given.
func ParseStatus(data []byte) (*Status, error) {
	s := &Status{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("status of the training: %w", err)
	}
	return s, nil
}

package online

import (
	"context"

	"github.com/saspart/saspart/train"
)

// Env is a job under one form of action. The loop calls Act, Step and Observe in turn,
// once per window. It calls Act and Observe of several Envs one after the other, in a
// fixed order, and Step of all of them concurrently.
type Env interface {
	// Reset starts an episode. A job in closed form starts again from its beginning; any
	// other job keeps running.
	Reset() error
	// Act decides on the next window and tells the job. With explore the action is drawn
	// from the policy; otherwise it is the most likely one.
	Act(explore bool) error
	// Step runs the job for one window.
	Step(ctx context.Context) error
	// Observe returns the result of the window. With learn it also hands the window to
	// the learner.
	Observe(learn bool) (StepResult, error)
	// Routes shows where the hot keys go at the moment.
	Routes() RouteMap
	// Save and Load keep, between two windows, the state that an exact resumption needs.
	// A job that processes records has no such state: Save returns nothing, and Load
	// starts a new job.
	Save() ([]byte, error)
	Load(data []byte) error
	Close() error
}

// StepResult is the result of a window.
type StepResult struct {
	Clean         bool // one route was in force throughout and every worker reported; otherwise the numbers do not describe the policy
	Imbalance     float64
	Reward        float64
	Backpressured float64 // 0..1
	Limited       bool    // Safety.MaxStep shortened the step
	Returned      bool    // Safety's limits were exceeded: the last good route returns
}

// Learner improves a policy from the windows that its Envs hand to it.
type Learner interface {
	// Learn does so many updates, or allows them to be done in the background. It calls
	// each for every update done since the last call.
	Learn(updates int, each func(train.Stats)) error
	// Freeze(true) keeps the acting policy as it is, until Freeze(false).
	Freeze(on bool)
	// Save writes a checkpoint of the policy to a folder. With full it also writes the
	// learner's state and status, which Load returns, so that the training can be
	// resumed. metrics go to the checkpoint's manifest.
	Save(folder string, full bool, status []byte, metrics map[string]float64) error
	// Close waits until everything is saved, and stops what runs in the background.
	Close() error
}

// RouteMap is where hot keys go.
type RouteMap struct {
	Keys   []string    `json:"keys"`   // by rank, heaviest first
	Loads  []float64   `json:"loads"`  // each key's part of the records
	Shares [][]float64 `json:"shares"` // [key][worker], each row summing to 1
}

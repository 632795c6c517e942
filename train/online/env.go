package online

import (
	"context"

	"github.com/saspart/saspart/train"
)

// Env is a job under one form of action. The loop calls Act, Run and Take in turn, one
// round per window; Act and Take of different Envs one after the other, in a fixed
// order, Run of all at once.
type Env interface {
	// Begin starts an episode: a job in closed form starts anew, any other goes on.
	Begin() error
	// Act decides on the next window and tells the job; with explore the action is
	// drawn from the policy, else it is the most likely one.
	Act(explore bool) error
	// Run takes the job through a window.
	Run(ctx context.Context) error
	// Take returns what the window measured. With learn it also hands what the window
	// taught to the student.
	Take(learn bool) (Measured, error)
	// Routes shows where the hot keys go at the moment.
	Routes() RouteMap
	// Save and Load keep what an exact continuation needs, between two windows. A job
	// on records can't be kept: it saves nothing and starts anew.
	Save() ([]byte, error)
	Load(data []byte) error
	Close() error
}

// Measured is what a window came to.
type Measured struct {
	Clean         bool // one route was in force throughout, and every worker reported; else the numbers say nothing of the policy
	Imbalance     float64
	Reward        float64
	Backpressured float64 // 0..1
	Limited       bool    // the route could not move as far as the policy wanted
	Returned      bool    // it got so bad that the last good route was taken up again
}

// Student is what learns.
type Student interface {
	// Learn does so many updates, or has them done, and calls each for every one that
	// was done since the last call.
	Learn(updates int, each func(train.Stats)) error
	// Freeze keeps the policy that acts as it is, or lets it follow what was learned.
	Freeze(on bool)
	// Save writes a checkpoint of the policy to a folder; whole also what learning goes
	// on from, with status, which comes back from Load. metrics are for its manifest.
	Save(folder string, whole bool, status []byte, metrics map[string]float64) error
	// Close ends what runs in the background, once everything is saved.
	Close() error
}

// RouteMap is where hot keys go.
type RouteMap struct {
	Keys   []string    `json:"keys"`   // by rank, heaviest first
	Loads  []float64   `json:"loads"`  // each key's part of the records
	Shares [][]float64 `json:"shares"` // [key][worker], each row summing to 1
}

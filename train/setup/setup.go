// Package setup builds trainings from their resolved configurations, Online and Offline.
// It finds the checkpoint to start or resume from, reads the traces, makes the learner
// and prepares the jobs. A program parses and prints; this package does the rest.
package setup

import (
	"fmt"
	"time"

	"github.com/saspart/saspart/engine/flink"
	"github.com/saspart/saspart/train/online"
)

// Options are what a training gets from the program that runs it.
type Options struct {
	CreatedBy     string // program and version, for checkpoints
	Configuration string // the configuration as text, for checkpoints
	Dir           string // folder of the checkpoints
	Resume        bool   // continue from the last checkpoint in Dir, if there is one

	Now func() time.Time
	// Log, if not nil, is called with one-line messages for the user.
	Log func(format string, args ...any)
	// Reading, if not nil, is called before traces are read. read is then called with the
	// number of windows read so far, and done at the end.
	Reading func() (read func(windows int64), done func())

	Served online.Job    // the job behind the policy server, for the engine Served
	Flink  *flink.Engine // the cluster, for the engine flink

	// NewShares and NewCapacity make the trainers; nil: those of this build.
	NewShares   SharesTrainers
	NewCapacity CapacityTrainers
}

func (o *Options) log(format string, args ...any) {
	if o.Log != nil {
		o.Log(format, args...)
	}
}

// reading starts to show that traces are read.
func (o *Options) reading() (read func(windows int64), done func()) {
	if o.Reading == nil {
		return func(int64) {}, func() {}
	}
	return o.Reading()
}

// UsageError is a configuration whose parts do not go together.
type UsageError struct{ err error }

func (e *UsageError) Error() string { return e.err.Error() }
func (e *UsageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &UsageError{fmt.Errorf(format, args...)} }

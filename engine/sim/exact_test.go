package sim

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/jobtest"
	"github.com/saspart/saspart/stream"
)

// No record is lost, duplicated or misplaced by any partitioner: for every task
// the reduced results equal those of one worker, and counts are conserved.
func TestResultsEqualOneWorkers(t *testing.T) {
	for _, name := range jobtest.SchemeNames() {
		for _, task := range stream.TaskNames() {
			t.Run(name+"/"+task, func(t *testing.T) {
				rapid.Check(t, func(t *rapid.T) {
					jobtest.CheckExact(t, func(s engine.Setup) (engine.Job, error) { return New(s) }, name, task)
				})
			})
		}
	}
}

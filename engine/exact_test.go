package engine

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/stream"
)

// No record is lost, duplicated or misplaced by any partitioner: for every task
// the reduced results equal those of one worker, and counts are conserved.
func TestResultsEqualOneWorkers(t *testing.T) {
	for name := range schemes(t, 2) {
		for _, task := range stream.TaskNames() {
			t.Run(name+"/"+task, func(t *testing.T) {
				rapid.Check(t, func(t *rapid.T) {
					checkExact(t, func(s Setup) (Job, error) { return NewSim(s) }, name, task)
				})
			})
		}
	}
}

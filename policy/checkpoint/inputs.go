package checkpoint

import (
	"fmt"
	"slices"
)

// CapacityInputs are the inputs of the capacity action's network that a checkpoint
// may name, per worker, v being the part of the work it gets, seen the part that its
// busy time was spent on, and e the estimate of its log speed (capacity.md, The
// network):
//
//	innovation    log(seen*P/busy) - e, less its mean over the workers
//	surprise      mean |innovation| over the workers
//	busy          busy ratio
//	saturated     1 if busy all the time, else 0
//	lag           log(v*P) - e
//	change        log(seen) - log(v)
//	estimate      e
//	busiest       largest busy ratio of all workers
//	queue         fill of the worker's queue
//	ratio         innovation / (surprise + 0.01): how far the worker stands out
//	load          mean busy ratio of the workers measured
//	workers       log P
//	age           how many windows before the last one the busy times are of
//	calm          log(surprise + 0.001): small surprises, told apart
//	contrast      innovation / (surprise + 0.001)
//
// A worker that was not measured has innovation, change, ratio and contrast 0, and missing
// busy and queue count as 0.
func CapacityInputs() []string {
	return []string{"innovation", "surprise", "busy", "saturated", "lag", "change", "estimate", "busiest", "queue",
		"ratio", "load", "workers", "age", "calm", "contrast"}
}

// CheckInputs reports the first of the named inputs of a capacity action's network that
// is none of CapacityInputs or is named twice.
func CheckInputs(names []string) error {
	for i, name := range names {
		if !slices.Contains(CapacityInputs(), name) || slices.Contains(names[:i], name) {
			return fmt.Errorf("input %q is unknown or named twice; inputs may be any of %v", name, CapacityInputs())
		}
	}
	return nil
}

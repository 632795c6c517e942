package plan

import "github.com/saspart/saspart/policy"

// QueuesTold reports whether a window has the lengths of the queues.
func QueuesTold(w *policy.Window) bool { return w.QueueSize > 0 && len(w.Queue) == len(w.Counts) }

// leastKept is the part of its capacity that a worker keeps, whatever its backlog.
const leastKept = 0.2

// MakeUp lowers each worker's capacity by the given part of its backlog, the records in its
// queue beyond the mean queue, and raises it where less than the mean waits. The next route
// thus compensates for errors of earlier ones before a full queue blocks the other workers.
// Capacities are parts of the work that sum to 1. If w has no queue lengths, MakeUp does
// nothing.
func MakeUp(capacity []float64, w *policy.Window, part float64) {
	if part == 0 || !QueuesTold(w) {
		return
	}
	mean, n := 0.0, 0.0
	for _, q := range w.Queue {
		if q == q { // not NaN
			mean += q
			n++
		}
	}
	if n == 0 {
		return
	}
	mean /= n
	scale := part * float64(w.QueueSize) / max(1, float64(w.Records))
	for i, q := range w.Queue {
		if q == q {
			c := capacity[i]
			capacity[i] = min(max(c-scale*(q-mean), leastKept*c), c/leastKept)
		}
	}
}

package plan

import "github.com/saspart/saspart/policy"

// QueuesTold tells whether a window says what waits in the queues.
func QueuesTold(w *policy.Window) bool { return w.QueueSize > 0 && len(w.Queue) == len(w.Counts) }

// leastRoom is what a worker keeps of its capacity, however much waits for it.
const leastRoom = 0.2

// MakeUp takes what waits in the workers' queues for work of the window to come: each
// worker's capacity falls by the given part of what waits for it beyond the mean queue,
// and rises by as much where less waits. So a route that was planned from loads of the
// past, of which any worker got more or less than was planned, is made up for before a
// full queue holds up the others. Capacities are parts of the work, summing to 1; windows
// that do not tell what waits leave them as they are.
func MakeUp(capacity []float64, w *policy.Window, part float64) {
	if part == 0 || !QueuesTold(w) {
		return
	}
	mean, n := 0.0, 0.0
	for _, q := range w.Queue {
		if q == q { // NaN: it did not report
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
			capacity[i] = min(max(c-scale*(q-mean), leastRoom*c), c/leastRoom)
		}
	}
}

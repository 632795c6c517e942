package jobtest

import (
	"testing"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
)

// FollowLog is a partitioner that records when each subtask adopts which route.
type FollowLog struct{ Taken [][]Taken }

// Taken is a route's version and the first slide routed by nothing else.
type Taken struct{ Version, Slide int64 }

// NewFollowLog makes the log of a job with the given number of partitioner subtasks.
func NewFollowLog(subtasks int) *FollowLog { return &FollowLog{make([][]Taken, subtasks)} }

// Scheme is the partitioner that keeps the log: all records go to worker 0.
func (l *FollowLog) Scheme() partition.Scheme {
	return partition.Scheme{Name: "log", NewRouter: func(env partition.Env) partition.Router {
		return &followRouter{fixedRouter{uint64(env.Workers), 0}, env.Subtask, l}
	}}
}

type followRouter struct {
	fixedRouter
	subtask int
	log     *FollowLog
}

// Follow implements partition.RouteFollower.
func (r *followRouter) Follow(route *policy.Route, slide int64) {
	l := &r.log.Taken[r.subtask] // each subtask's own
	*l = append(*l, Taken{int64(route.Version), slide})
}

// CheckOrder makes sure that every subtask took up routes, newer ones later.
func (l *FollowLog) CheckOrder(t *testing.T) {
	t.Helper()
	for i, list := range l.Taken {
		if len(list) == 0 {
			t.Errorf("subtask %d took up no route", i)
		}
		for k := 1; k < len(list); k++ {
			if a, b := list[k-1], list[k]; b.Version <= a.Version || b.Slide < a.Slide {
				t.Fatalf("subtask %d took up %v after %v (version, slide)", i, b, a)
			}
		}
	}
}

// CheckSame compares what the subtasks took up, as far as all of them came.
func (l *FollowLog) CheckSame(t *testing.T) {
	t.Helper()
	for i, other := range l.Taken {
		for k := range min(len(other), len(l.Taken[0])) {
			if other[k] != l.Taken[0][k] {
				t.Fatalf("subtask 0 took up %v, subtask %d %v (version, slide)", l.Taken[0][k], i, other[k])
			}
		}
	}
}

package engine

import (
	"testing"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
)

// followLog is a partitioner that notes which subtask takes up which route when.
type followLog struct{ taken [][]taken }

// taken is a route's version and the first slide routed by nothing else.
type taken struct{ version, slide int64 }

func newFollowLog(subtasks int) *followLog { return &followLog{make([][]taken, subtasks)} }

func (l *followLog) scheme() partition.Scheme {
	return partition.Scheme{Name: "log", NewRouter: func(env partition.Env) partition.Router {
		return &followRouter{fixedRouter{uint64(env.Workers), 0}, env.Subtask, l}
	}}
}

type followRouter struct {
	fixedRouter
	subtask int
	log     *followLog
}

func (r *followRouter) Follow(route *policy.Route, slide int64) {
	l := &r.log.taken[r.subtask] // each subtask's own
	*l = append(*l, taken{int64(route.Version), slide})
}

// checkOrder makes sure that every subtask took up routes, newer ones later.
func (l *followLog) checkOrder(t *testing.T) {
	t.Helper()
	for i, list := range l.taken {
		if len(list) == 0 {
			t.Errorf("subtask %d took up no route", i)
		}
		for k := 1; k < len(list); k++ {
			if a, b := list[k-1], list[k]; b.version <= a.version || b.slide < a.slide {
				t.Fatalf("subtask %d took up %v after %v (version, slide)", i, b, a)
			}
		}
	}
}

// checkSame compares what the subtasks took up, as far as all of them came.
func (l *followLog) checkSame(t *testing.T) {
	t.Helper()
	for i, other := range l.taken {
		for k := range min(len(other), len(l.taken[0])) {
			if other[k] != l.taken[0][k] {
				t.Fatalf("subtask 0 took up %v, subtask %d %v (version, slide)", l.taken[0][k], i, other[k])
			}
		}
	}
}

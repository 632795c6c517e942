package engine

import (
	"testing"
	"testing/synctest"
)

// inBubble runs a test on a clock that moves only when every goroutine waits
// (testing/synctest), so that emulated jobs take no longer than their work.
func inBubble(t *testing.T, name string, run func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, run) })
}

// bubbled keeps rapid from asking for the deadline, which a test in a bubble must
// not.
type bubbled struct{ *testing.T }

// onWallClock gives a check on the real clock five chances: a machine with other
// things to do may spoil one.
func onWallClock(t *testing.T, check func(t testing.TB)) {
	t.Helper()
	if testing.Short() {
		t.Skip("rates on the wall clock say nothing under the race detector, which short mode is for")
	}
	for range 4 {
		a := &attempt{T: t}
		if check(a); !a.failed {
			return
		}
	}
	check(t)
}

// attempt notes errors that are not final.
type attempt struct {
	*testing.T
	failed bool
}

func (a *attempt) Errorf(format string, args ...any) {
	a.failed = true
	a.Logf("will try again: "+format, args...)
}

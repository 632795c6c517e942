package jobtest

import (
	"testing"
	"testing/synctest"
)

// InBubble runs a test on a clock that moves only when every goroutine waits
// (testing/synctest), so that emulated jobs take no longer than their work.
func InBubble(t *testing.T, name string, run func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, run) })
}

// Bubbled keeps rapid from asking for the deadline, which a test in a bubble must
// not.
type Bubbled struct{ *testing.T }

// OnWallClock gives a check on the real clock five chances: a machine with other
// things to do may spoil one.
func OnWallClock(t *testing.T, check func(t testing.TB)) {
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

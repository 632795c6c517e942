package field

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Paths grow from the inside out, and nothing of what was joined is lost.
func TestIn(t *testing.T) {
	inner := errors.Join(Errorf("a", "is bad"), nil, errors.New("no path"))
	err := errors.Join(In("job", errors.Join(In("speeds", inner), Errorf("queue", "is 0"))), In("rate", nil))
	want := []*Error{
		{Path: "job.speeds.a", Problem: "is bad"},
		{Path: "job.speeds", Problem: "no path"},
		{Path: "job.queue", Problem: "is 0"},
	}
	if diff := cmp.Diff(want, List(err)); diff != "" {
		t.Errorf("wrong errors (-want +got):\n%s", diff)
	}
	if In("job", nil) != nil || len(List(nil)) != 0 {
		t.Error("nothing wrong became an error")
	}
}

func TestBounds(t *testing.T) {
	for _, c := range []struct {
		why  string
		err  error
		want string // empty: no error
	}{
		{"at the lower bound", Finite("x", 0, 0, 1), ""},
		{"at the upper bound", Finite("x", 1, 0, 1), ""},
		{"above", Finite("x", 1.5, 0, 1), "x: is 1.5; it must be from 0 to 1"},
		{"NaN is within no bounds", Finite("x", math.NaN(), math.Inf(-1), math.Inf(1)), "x: is NaN; it must be a finite number"},
		{"below an open bound", Finite("x", -1, 0, math.Inf(1)), "x: is -1; it must be at least 0"},
		{"a whole number at its bounds", Whole("n", 3, 3, 3), ""},
		{"a whole number below", Whole("n", 2, 3, 5), "n: is 2; it must be a whole number from 3 to 5"},
		{"what holds", Check(true, "x", "is %d", 1), ""},
		{"what does not hold", Check(false, "x", "is %d", 1), "x: is 1"},
		{"a known name", OneOf("x", "pkg", "hash", "pkg"), ""},
		{"an unknown name", OneOf("x", "pgk", "hash", "pkg"), `x: is "pgk"; did you mean "pkg"? known are hash, pkg`},
		{"ends that are equal", Range("low", 1, 1), ""},
		{"ends in the wrong order", Range("low", 2, 1), "low: is 2, above high, 1"},
		{"no time", Lasting("x", 0), "x: is 0s; it must be above 0"},
		{"a nanosecond", Lasting("x", 1), ""},
		{"no time where none is allowed", NotNegative("x", 0), ""},
		{"a negative time", NotNegative("x", -time.Second), "x: is -1s; it must not be negative"},
	} {
		got := ""
		if c.err != nil {
			got = c.err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.why, got, c.want)
		}
	}
}

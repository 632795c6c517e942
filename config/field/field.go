// Package field names the place of a bad value in a configuration. Every package reports what
// is wrong with its own settings, and the loader adds the file and the line.
package field

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/saspart/saspart/config/nearest"
)

// Error is a bad value at a path inside a configuration.
type Error struct {
	Path    string // dotted path below the struct that was validated, for example "source.exponent"
	Problem string // what is wrong and what would be right
}

// Error implements the error interface: "path: problem".
func (e *Error) Error() string { return e.Path + ": " + e.Problem }

// Errorf returns an *Error at path.
func Errorf(path, format string, args ...any) error {
	return &Error{Path: path, Problem: fmt.Sprintf(format, args...)}
}

// In prefixes the paths of every *Error inside err with parent; nil stays nil.
// Errors of other kinds become an *Error at parent.
func In(parent string, err error) error {
	if err == nil {
		return nil
	}
	var out []error
	for _, e := range List(err) {
		path := parent
		if e.Path != "" {
			path = parent + "." + e.Path
		}
		out = append(out, &Error{Path: path, Problem: e.Problem})
	}
	return errors.Join(out...)
}

// List flattens what errors.Join and In built into single errors, in order.
func List(err error) []*Error {
	if err == nil {
		return nil
	}
	if e, ok := err.(*Error); ok {
		return []*Error{e}
	}
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		var out []*Error
		for _, e := range j.Unwrap() {
			out = append(out, List(e)...)
		}
		return out
	}
	return []*Error{{Problem: err.Error()}}
}

// Check returns an *Error at path unless ok.
func Check(ok bool, path, format string, args ...any) error {
	if ok {
		return nil
	}
	return Errorf(path, format, args...)
}

// OneOf reports an error at path, with a suggestion, unless v is one of the known names.
func OneOf(path, v string, known ...string) error {
	if slices.Contains(known, v) {
		return nil
	}
	return Errorf(path, "is %q; %s", v, nearest.Explain(v, known))
}

// Range reports an error at path, that of low, if low is above high.
func Range(path string, low, high float64) error {
	return Check(!(low > high), path, "is %v, above high, %v", low, high)
}

// Lasting reports an error at path unless d is above 0.
func Lasting(path string, d time.Duration) error {
	return Check(d > 0, path, "is %v; it must be above 0", d)
}

// NotNegative reports an error at path if d is below 0.
func NotNegative(path string, d time.Duration) error {
	return Check(d >= 0, path, "is %v; it must not be negative", d)
}

// Finite reports an error at path unless lo <= v <= hi; NaN never passes.
func Finite(path string, v, lo, hi float64) error {
	if v >= lo && v <= hi {
		return nil
	}
	switch {
	case math.IsInf(hi, 1) && math.IsInf(lo, -1):
		return Errorf(path, "is %v; it must be a finite number", v)
	case math.IsInf(hi, 1):
		return Errorf(path, "is %v; it must be at least %v", v, lo)
	default:
		return Errorf(path, "is %v; it must be from %v to %v", v, lo, hi)
	}
}

// Positive reports an error at path unless v is a finite number above 0.
func Positive(path string, v float64) error {
	return Check(v > 0 && !math.IsInf(v, 1), path, "is %v; it must be a finite number above 0", v)
}

// Whole reports an error at path unless lo <= v <= hi.
func Whole(path string, v, lo, hi int) error {
	return Check(v >= lo && v <= hi, path, "is %d; it must be a whole number from %d to %d", v, lo, hi)
}

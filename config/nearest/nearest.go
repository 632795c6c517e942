// Package nearest finds the known name that a mistyped name was probably meant to be, for
// error messages.
package nearest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// Nearest returns the element of known with the fewest edits from name, ignoring case; of
// several the first. It is empty if known is.
func Nearest(name string, known []string) string {
	best, least := "", -1
	for _, k := range known {
		d := levenshtein.Distance(strings.ToLower(name), strings.ToLower(k), nil)
		if least < 0 || d < least {
			best, least = k, d
		}
	}
	return best
}

// Explain is the second half of an error about an unknown name: the nearest known name, and
// all of them sorted, as in
//
//	did you mean "hash"? known are cam, hash, pkg
func Explain(name string, known []string) string {
	if len(known) == 0 {
		return "none is known"
	}
	sorted := slices.Sorted(slices.Values(known))
	return fmt.Sprintf("did you mean %q? known are %s", Nearest(name, sorted), strings.Join(sorted, ", "))
}

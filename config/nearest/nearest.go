// Package nearest finds the known name that a mistyped name was probably meant to be, for
// error messages.
package nearest

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/agext/levenshtein"
)

// Nearest returns the element of known with the fewest edits from name, ignoring case; of
// several the first. It is empty if all are so far that name is no mistyped one of them: more
// than two edits, or than a third of the letters. A beginning of three letters is near enough.
func Nearest(name string, known []string) string {
	best, least := "", max(2, utf8.RuneCountInString(name)/3)+1
	for _, k := range known {
		if d := levenshtein.Distance(strings.ToLower(name), strings.ToLower(k), nil); d < least {
			best, least = k, d
		}
	}
	if best == "" && len(name) >= 3 {
		if at := slices.IndexFunc(known, func(k string) bool { return strings.HasPrefix(k, name) }); at >= 0 {
			return known[at]
		}
	}
	return best
}

// Explain is the second half of an error about an unknown name: the nearest known name, if one
// is near, and all of them sorted, as in
//
//	did you mean "hash"? known are cam, hash, pkg
func Explain(name string, known []string) string {
	if len(known) == 0 {
		return "none is known"
	}
	sorted := slices.Sorted(slices.Values(known))
	all := "known are " + strings.Join(sorted, ", ")
	if near := Nearest(name, sorted); near != "" {
		return fmt.Sprintf("did you mean %q? %s", near, all)
	}
	return all
}

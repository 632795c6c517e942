package strict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Layer is the kind of place that a value came from; later layers override earlier ones.
type Layer int

// The layers, weakest first.
const (
	Default Layer = iota
	File
	Env
	Flag
)

// String is the layer's name as `config show` prints it.
func (l Layer) String() string { return [...]string{"default", "file", "env", "flag"}[l] }

// Place is where a value was given.
type Place struct {
	Layer Layer
	Name  string // the file, the variable, the flag as written; empty for defaults
	Line  int    // in the file, from 1; 0 unknown
}

// String is "file:line", "SASPART_JOB_WORKERS", "--workers 3" or "default".
func (p Place) String() string {
	switch {
	case p.Layer == Default:
		return p.Layer.String()
	case p.Line > 0:
		return fmt.Sprintf("%s:%d", p.Name, p.Line)
	}
	return p.Name
}

// Error is one thing wrong with a configuration.
type Error struct {
	Place   Place
	Path    string // of the setting; empty when it is the file as a whole
	Problem string // what is wrong and what would be right
}

// Error is "place: path: problem".
func (e Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("%s: %s", e.Place, e.Problem)
	}
	return fmt.Sprintf("%s: %s: %s", e.Place, e.Path, e.Problem)
}

// Errors is everything wrong with a configuration, ordered by layer and line.
type Errors []Error

// Error gives each error a line.
func (es *Errors) Error() string {
	lines := make([]string, len(*es))
	for i, e := range *es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

func (es Errors) sort() {
	slices.SortStableFunc(es, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Place.Layer, b.Place.Layer), cmp.Compare(a.Place.Line, b.Place.Line))
	})
}

// covers reports whether the value at path, or one that contains it, has an error.
func (es Errors) covers(path string) bool {
	for p := path; p != ""; p = parent(p) {
		if slices.ContainsFunc(es, func(e Error) bool { return e.Path == p }) {
			return true
		}
	}
	return false
}

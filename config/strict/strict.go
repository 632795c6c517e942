// Package strict loads configuration files so that nothing in them is ignored. A
// value that is unknown, misspelt, of the wrong type, given twice or impossible is
// an error that names the file, the line, the setting and a remedy, and all of
// them are reported together.
//
// Four layers make a configuration, each over the one before: the defaults (what
// the struct holds when Load is called), the file, environment variables and
// flags. Load remembers which layer every value came from.
//
// The package knows structs and their yaml tags, nothing of what they configure.
package strict

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"

	"github.com/saspart/saspart/config/field"
)

// MaxSize bounds a configuration file, in bytes. A larger one is taken for
// something else (a trace, a data file) rather than read into memory.
const MaxSize = 1 << 20

// Validator is a configuration that knows which of its values are impossible. The
// errors are those of package field: their paths are below the struct.
type Validator interface{ Validate() error }

// Defaulter is an element of a list or map, or what a pointer points at, whose
// fields that the file leaves out are not simply zero. SetDefaults is called before
// an element is read.
type Defaulter interface{ SetDefaults() }

// Override sets one value over the file.
type Override struct {
	Path  string // "job.workers", "collect.behaviours[0].weight"
	Value string // as it would stand in the file; text needs no quotes
	From  string // what the user wrote, for messages: "--workers 3"
}

// Layers are what lies over a file, weakest first.
type Layers struct {
	// Env holds variables as os.Environ returns them. Those that start with
	// Prefix set values: SASPART_JOB_WORK_RATIO and SASPART_JOB__WORK_RATIO both
	// set job.work_ratio. The form with two underscores between levels is the one
	// that is never ambiguous, and the one that reaches entries of maps.
	Env []string
	// Prefix of the variables; empty leaves the environment out.
	Prefix string
	// Reserved names variables (or, ending in an underscore, groups of them) that
	// start with Prefix but are not settings.
	Reserved []string
	// Set holds what flags set, the last one winning.
	Set []Override
}

// ReadFile returns the text of a configuration file of at most MaxSize bytes.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if len(text) > MaxSize {
		return nil, &Errors{{Place: Place{Layer: File, Name: path}, Problem: fmt.Sprintf("is larger than %d bytes; is it a configuration?", MaxSize)}}
	}
	return text, nil
}

// Load lays the text of a file and then the other layers over v, a pointer to a
// struct that holds the defaults, and validates the result when v is a Validator.
// file is the name that errors give; nil text means that there is no file. The
// error is an *Errors with everything that is wrong; v is then not to be used.
func Load(file string, text []byte, v any, layers Layers) (*Origins, error) {
	dst := reflect.ValueOf(v)
	if dst.Kind() != reflect.Pointer || dst.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("load %s: %T is not a pointer to a struct", file, v)
	}
	dst = dst.Elem()
	d := &decoder{origins: newOrigins(file), root: dst.Type()}
	if text != nil {
		d.file(file, text, dst)
	}
	for _, o := range d.environment(layers) {
		d.override(o, Env, dst)
	}
	for _, o := range layers.Set {
		d.override(o, Flag, dst)
	}
	if val, ok := v.(Validator); ok && !d.unread {
		d.validate(val)
	}
	if len(d.errs) > 0 {
		d.errs.sort()
		return nil, &d.errs
	}
	return d.origins, nil
}

// validate adds what v finds impossible. A value that could not be read has been
// reported already, and still holds its default: complaints about it or what is
// inside it are left out.
func (d *decoder) validate(v Validator) {
	known := d.errs
	for _, e := range field.List(v.Validate()) {
		if known.covers(e.Path) {
			continue
		}
		place, given := d.origins.nearest(e.Path)
		problem := e.Problem
		if !given {
			problem += " (this value is a default)"
		}
		d.errs = append(d.errs, Error{Place: place, Path: e.Path, Problem: problem})
	}
}

// IsInvalid reports whether err says that a configuration is wrong, as opposed to
// unreadable.
func IsInvalid(err error) bool {
	var e *Errors
	return errors.As(err, &e)
}

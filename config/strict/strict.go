// Package strict loads configuration files and ignores nothing in them. A value that is
// unknown, misspelt, of the wrong type, given twice or impossible is an error. It names the
// file, the line, the setting and a remedy; all errors are reported together.
//
// A configuration has four layers, each of which overrides the previous one: the defaults
// (the values of the struct when Load is called), the file, environment variables, and flags.
// Load remembers which layer each value came from.
//
// The package knows structs and their yaml tags, and nothing of what they configure.
package strict

import (
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/internal/files"
)

// MaxSize bounds a configuration file, in bytes. A larger file is probably something else (a
// trace, a data file) and is not read into memory.
const MaxSize = 1 << 20

// Validator is a configuration that reports which of its values are impossible. The errors
// are those of package field; their paths are relative to the struct.
type Validator interface{ Validate() error }

// Defaulter is an element of a list or map, or the target of a pointer, with fields whose
// default is not zero. SetDefaults is called before the element is read.
type Defaulter interface{ SetDefaults() }

// Override sets one value.
type Override struct {
	Path  string // "job.workers", "collect.behaviours[0].weight"
	Value string // as it would stand in the file; text needs no quotes
	From  string // what the user wrote, for messages: "--workers 3"
}

// Layers override a file, weakest first.
type Layers struct {
	// Env holds variables as os.Environ returns them. Those that start with Prefix set values:
	// SASPART_JOB_WORK_RATIO and SASPART_JOB__WORK_RATIO both set job.work_ratio. Only the form
	// with two underscores between levels is never ambiguous and reaches entries of maps.
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
	f, err := files.Open(path)
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

// Load sets the values of v, a pointer to a struct that holds the defaults, from the text of
// a file and then from the other layers. If v is a Validator it validates the result. file is
// the name that errors give; nil text means that there is no file. The error is an *Errors
// with everything that is wrong; v must not be used then.
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

// validate adds the values that v finds impossible. A value that could not be read has been
// reported and still holds its default; errors about it or values inside it are left out.
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

package strict

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// setting is a field of a struct as the file names it.
type setting struct {
	name  string
	index []int // for reflect.Value.FieldByIndex
	typ   reflect.Type
}

// settings lists the fields of a struct type that a file can set, including those of inline
// structs.
func settings(t reflect.Type) []setting {
	var out []setting
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		if strings.Contains(opts, "inline") {
			for _, s := range settings(f.Type) {
				s.index = append([]int{i}, s.index...)
				out = append(out, s)
			}
			continue
		}
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		out = append(out, setting{name: name, index: []int{i}, typ: f.Type})
	}
	return out
}

// paths lists the dotted paths of all settings below a struct type; a list or map is one
// setting.
func paths(t reflect.Type) []string {
	var out []string
	for _, s := range settings(t) {
		typ := s.typ
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || reads(typ) {
			out = append(out, s.name)
			continue
		}
		for _, p := range paths(typ) {
			out = append(out, join(s.name, p))
		}
	}
	return out
}

var (
	durationType        = reflect.TypeFor[time.Duration]()
	yamlUnmarshalerType = reflect.TypeFor[yaml.Unmarshaler]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// reads reports whether values of the type read themselves from YAML or text.
func reads(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(yamlUnmarshalerType) || p.Implements(textUnmarshalerType)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// parent is the path of what contains the value at path: "a.b" for "a.b.c" and for
// "a.b[3]", "" for "a".
func parent(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}

// step is one level of a path: a name, or an element of a list.
type step struct {
	name  string
	index int // of a list when name is empty
}

// parsePath splits "a.b[2].c" into its steps.
func parsePath(path string) ([]step, error) {
	var out []step
	for _, part := range strings.Split(path, ".") {
		name, rest, indexed := strings.Cut(part, "[")
		if name == "" {
			return nil, fmt.Errorf("is not the path of a setting; write it like job.workers or collect.behaviours[0].weight")
		}
		out = append(out, step{name: name})
		for indexed {
			var digits string
			digits, rest, _ = strings.Cut(rest, "]")
			i, err := strconv.Atoi(digits)
			if err != nil || i < 0 {
				return nil, fmt.Errorf("has %q where the number of a list element should be; write it like collect.behaviours[0].weight", digits)
			}
			out = append(out, step{index: i})
			if rest == "" {
				break
			}
			if rest, indexed = strings.CutPrefix(rest, "["); !indexed {
				return nil, fmt.Errorf("has %q after a list element; write it like collect.behaviours[0].weight", rest)
			}
		}
	}
	return out, nil
}

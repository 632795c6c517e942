package strict

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

func (d *decoder) duration(n *yaml.Node, dst reflect.Value, path string) {
	v, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		d.fail(n, path, "is %s; it must be a duration with a unit, such as 250ms, 1.5s or 2h", describe(n))
		return
	}
	d.origins.give(path, d.at(n))
	dst.SetInt(int64(v))
}

// reader decodes a type that reads itself.
func (d *decoder) reader(n *yaml.Node, dst reflect.Value, path string) {
	var err error
	switch p := dst.Addr().Interface().(type) {
	case yaml.Unmarshaler:
		err = p.UnmarshalYAML(n)
	case encoding.TextUnmarshaler:
		if n.Kind != yaml.ScalarNode {
			d.fail(n, path, "is %s; it must be a single value", describe(n))
			return
		}
		err = p.UnmarshalText([]byte(n.Value))
	}
	if err != nil {
		d.fail(n, path, "is %s: %v", describe(n), err)
		return
	}
	d.origins.give(path, d.at(n))
}

func (d *decoder) scalar(n *yaml.Node, dst reflect.Value, path string) {
	if problem := setScalar(n, dst); problem != "" {
		d.fail(n, path, "is %s; it must be %s", describe(n), problem)
		return
	}
	d.origins.give(path, d.at(n))
}

// setScalar sets dst to the value of n, or returns what it should have been.
func setScalar(n *yaml.Node, dst reflect.Value) (want string) {
	t := dst.Type()
	tag := n.ShortTag()
	if t.Kind() == reflect.Interface {
		var v any
		if err := n.Decode(&v); err != nil {
			return "a YAML value"
		}
		if v == nil {
			dst.SetZero()
		} else {
			dst.Set(reflect.ValueOf(v))
		}
		return ""
	}
	if n.Kind != yaml.ScalarNode {
		return "a single value"
	}
	switch t.Kind() {
	case reflect.String:
		if tag != "!!str" && n.Tag != "" {
			return "text; put it in quotes"
		}
		dst.SetString(n.Value)
	case reflect.Bool:
		var v bool
		if tag != "!!bool" || n.Decode(&v) != nil {
			return "true or false"
		}
		dst.SetBool(v)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v, ok := whole[int64](n)
		if !ok || dst.OverflowInt(v) {
			return "a whole number" + fits(t)
		}
		dst.SetInt(v)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v, ok := whole[uint64](n)
		if !ok || dst.OverflowUint(v) {
			return "a whole number of at least 0" + fits(t)
		}
		dst.SetUint(v)
	case reflect.Float32, reflect.Float64:
		var v float64
		if tag != "!!float" && tag != "!!int" || n.Decode(&v) != nil {
			return "a number"
		}
		dst.SetFloat(v)
	default:
		return "of a type that files cannot give, " + t.String()
	}
	return ""
}

// whole reads a whole number, which may be written as 1e6.
func whole[T int64 | uint64](n *yaml.Node) (T, bool) {
	minusOne := -1
	signed := T(minusOne) < 0
	switch n.ShortTag() {
	case "!!int":
		var v T
		return v, n.Decode(&v) == nil
	case "!!float":
		// Up to 2^53 a float represents whole numbers exactly.
		var f float64
		if n.Decode(&f) != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 || f < 0 && !signed {
			return 0, false
		}
		return T(f), true
	}
	return 0, false
}

func fits(t reflect.Type) string {
	if t.Bits() >= 64 {
		return ""
	}
	return fmt.Sprintf(" that fits %d bits", t.Bits())
}

// describe names a value as the user wrote it.
func describe(n *yaml.Node) string {
	switch {
	case n.Tag == elementTag:
		return "indexed like a list"
	case n.Kind == yaml.MappingNode:
		return "a block of settings"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	}
	if n.ShortTag() == "!!str" {
		return strconv.Quote(shorten(n.Value))
	}
	return shorten(n.Value)
}

// shorten cuts a long value in a message.
func shorten(s string) string {
	const limit = 60
	if r := []rune(s); len(r) > limit {
		return string(r[:limit]) + "…"
	}
	return s
}

package strict

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Origins remembers where the values of a configuration came from.
type Origins struct {
	name   string           // of the file
	given  map[string]Place // values that some layer gave, lists and their elements too
	blocks map[string]int   // lines at which the file opens a mapping, by path
}

func newOrigins(name string) *Origins {
	return &Origins{name: name, given: map[string]Place{}, blocks: map[string]int{}}
}

// Of returns the place that gave the value at path. A value inside a list or map that has no
// place of its own has the place of the whole.
func (o *Origins) Of(path string) Place {
	for p := path; p != ""; p = parent(p) {
		if place, ok := o.given[p]; ok {
			return place
		}
	}
	return Place{}
}

// nearest returns where to change the value at path, and whether the value was given there.
// For a default, that is the block of the file to which the value belongs.
func (o *Origins) nearest(path string) (Place, bool) {
	if place := o.Of(path); place.Layer != Default {
		return place, true
	}
	for p := path; p != ""; p = parent(p) {
		if line, ok := o.blocks[p]; ok {
			return Place{Layer: File, Name: o.name, Line: line}, false
		}
	}
	if o.name == "" {
		return Place{}, false
	}
	return Place{Layer: File, Name: o.name}, false
}

// give records that place gave the value at path, and drops the places of the values inside
// it.
func (o *Origins) give(path string, place Place) {
	for p := range o.given {
		if strings.HasPrefix(p, path) && len(p) > len(path) && (p[len(path)] == '.' || p[len(path)] == '[') {
			delete(o.given, p)
		}
	}
	o.given[path] = place
}

// Annotate renders a configuration as YAML that Load accepts, with a comment at every value
// that says where it came from.
func (o *Origins) Annotate(v any) ([]byte, error) {
	var n yaml.Node
	if err := n.Encode(v); err != nil {
		return nil, fmt.Errorf("render configuration: %w", err)
	}
	o.annotate(&n, "")
	return render(&n)
}

// Value is a value of a resolved configuration.
type Value struct {
	Path  string `json:"path"`
	Value any    `json:"value"`
	Layer string `json:"layer"` // default, file, env or flag
	From  string `json:"from,omitempty"`
}

// Values lists the values of a configuration in the order of its fields.
func (o *Origins) Values(v any) ([]Value, error) {
	var n yaml.Node
	if err := n.Encode(v); err != nil {
		return nil, fmt.Errorf("render configuration: %w", err)
	}
	var out []Value
	err := leaves(&n, "", func(path string, leaf *yaml.Node) error {
		value := Value{Path: path}
		if err := leaf.Decode(&value.Value); err != nil {
			return fmt.Errorf("render %s: %w", path, err)
		}
		place := o.Of(path)
		value.Layer = place.Layer.String()
		if place.Layer != Default {
			value.From = place.String()
		}
		out = append(out, value)
		return nil
	})
	return out, err
}

func (o *Origins) annotate(n *yaml.Node, path string) {
	_ = leaves(n, path, func(path string, leaf *yaml.Node) error {
		place := o.Of(path)
		leaf.LineComment = place.Layer.String()
		if place.Layer != Default {
			leaf.LineComment += " " + oneLine(place.String())
		}
		return nil
	})
}

// leaves calls visit for every scalar and every list of scalars below n, in order.
// Such lists are set to be rendered on one line.
func leaves(n *yaml.Node, path string, visit func(path string, leaf *yaml.Node) error) error {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i < len(n.Content); i += 2 {
			if err := leaves(n.Content[i+1], join(path, n.Content[i].Value), visit); err != nil {
				return err
			}
		}
		if len(n.Content) > 0 {
			return nil
		}
	case yaml.SequenceNode:
		if slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return c.Kind != yaml.ScalarNode }) {
			for i, c := range n.Content {
				if err := leaves(c, index(path, i), visit); err != nil {
					return err
				}
			}
			return nil
		}
		n.Style = yaml.FlowStyle
	}
	return visit(path, n)
}

func render(n *yaml.Node) ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(n); err != nil {
		return nil, fmt.Errorf("render configuration: %w", err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("render configuration: %w", err)
	}
	return b.Bytes(), nil
}

// oneLine removes line breaks, because a flag's value is quoted in a comment.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

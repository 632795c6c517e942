package scenario

import (
	"errors"
	"math"

	"go.yaml.in/yaml/v3"
)

// Range is the bounds of a uniform distribution. In a file it is a pair such as [0, 0.2], or one
// number for both bounds.
type Range [2]float64

// Count is a Range of whole numbers.
type Count [2]int

// UnmarshalYAML implements yaml.Unmarshaler.
func (r *Range) UnmarshalYAML(n *yaml.Node) error {
	pair, ok := bounds(n)
	if !ok {
		return errors.New("it must be a number, or a pair such as [0, 0.5]")
	}
	*r = pair
	return nil
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (r *Count) UnmarshalYAML(n *yaml.Node) error {
	pair, ok := bounds(n)
	if !ok || pair[0] != math.Trunc(pair[0]) || pair[1] != math.Trunc(pair[1]) {
		return errors.New("it must be a whole number, or a pair such as [1, 4]")
	}
	*r = Count{int(pair[0]), int(pair[1])}
	return nil
}

// bounds reads a number or a pair.
func bounds(n *yaml.Node) (pair [2]float64, ok bool) {
	if n.Kind == yaml.ScalarNode {
		ok = n.Decode(&pair[0]) == nil
		pair[1] = pair[0]
		return pair, ok
	}
	var list []float64
	if n.Decode(&list) != nil || len(list) != 2 {
		return pair, false
	}
	return [2]float64(list), true
}

// MarshalYAML implements yaml.Marshaler.
func (r Range) MarshalYAML() (any, error) { return flow(r[:]) }

// MarshalYAML implements yaml.Marshaler.
func (r Count) MarshalYAML() (any, error) { return flow(r[:]) }

// flow writes a list on one line.
func flow(list any) (any, error) {
	n := &yaml.Node{}
	err := n.Encode(list)
	n.Style = yaml.FlowStyle
	return n, err
}

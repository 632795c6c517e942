package engine

import (
	"errors"

	"go.yaml.in/yaml/v3"
)

// Ratio scales costs. Files have a number above 0 or the name of the setting that it follows.
type Ratio float64

// AsWork is a Ratio that follows Config.WorkRatio.
const AsWork Ratio = 0

// asWork is AsWork in files.
const asWork = "work_ratio"

// UnmarshalYAML implements yaml.Unmarshaler.
func (r *Ratio) UnmarshalYAML(n *yaml.Node) error {
	if n.Value == asWork {
		*r = AsWork
		return nil
	}
	var v float64
	if err := n.Decode(&v); err != nil || !(v > 0) {
		return errors.New("it must be a number above 0, or " + asWork)
	}
	*r = Ratio(v)
	return nil
}

// MarshalYAML implements yaml.Marshaler.
func (r Ratio) MarshalYAML() (any, error) {
	if r == AsWork {
		return asWork, nil
	}
	return float64(r), nil
}

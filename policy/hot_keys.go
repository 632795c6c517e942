package policy

import (
	"fmt"
	"math"
	"strconv"

	"github.com/saspart/saspart/config/field"
)

// HotKeys is how many keys a shares policy knows, heaviest first; in a file a whole number, or
// auto for as many as the keys and P need.
type HotKeys int

// AutoHotKeys is auto.
const AutoHotKeys HotKeys = 0

// mostHotKeys bounds the number in settings.
const mostHotKeys = 1 << 12

// leastAuto is how many keys are hot at least, as many as published.
const leastAuto = 10

// HarmlessExcess is the HashExcess that AutoHotKeys leaves.
const HarmlessExcess = 0.2

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *HotKeys) UnmarshalText(text []byte) error {
	if string(text) == "auto" {
		*h = AutoHotKeys
		return nil
	}
	n, err := strconv.Atoi(string(text))
	if err != nil || n == 0 {
		return fmt.Errorf("is %q; it must be a whole number above 0, or auto", text)
	}
	*h = HotKeys(n)
	return nil
}

// MarshalYAML implements yaml.Marshaler.
func (h HotKeys) MarshalYAML() (any, error) {
	if h == AutoHotKeys {
		return "auto", nil
	}
	return int(h), nil
}

// Validate reports an impossible number.
func (h HotKeys) Validate() error { return field.Whole("hot_keys", int(h), 0, mostHotKeys) }

// Of returns how many keys are hot, and the sum of the squared parts of the records that all
// others have. d has the parts of the heaviest keys, in descending order, rest the sum of the
// squared parts of the keys that are not in d.
func (h HotKeys) Of(d []float64, rest float64, workers int) (hot int, past float64) {
	hot, past = len(d), rest
	for hot > 0 {
		more := past + d[hot-1]*d[hot-1]
		if h == AutoHotKeys && hot <= mostHotKeys && (hot <= leastAuto || HashExcess(more, workers) > HarmlessExcess) ||
			h != AutoHotKeys && hot <= int(h) {
			break
		}
		hot, past = hot-1, more
	}
	return hot, past
}

// HashExcess estimates the excess of the fullest of P workers over the mean load, as a part of
// it, where keys go to workers by hash. squares is the sum of the squared parts of the records
// that these keys have. A worker's load then has the variance squares/P about a mean of 1/P, and
// the largest of P normal deviates is about sqrt(2 ln P) standard deviations.
func HashExcess(squares float64, workers int) float64 {
	p := float64(workers)
	return math.Sqrt(2 * math.Log(p) * p * squares)
}

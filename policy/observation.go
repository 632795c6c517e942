package policy

import (
	"errors"
	"math"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/internal/sums"
)

// Observation is what a shares policy observes of a window (docs/algorithms.md, "The decision
// process"). First come, as published, the record counts of the workers, standardised and
// clipped to 0..2, then their busy ratios, 2 for a saturated one: 2P numbers, which do not say
// how fast workers are, nor how much work they have whatever the policy does. An adaptive
// observation adds both, and the loads of the keys. A policy that is trained on many speeds and
// distributions then fits the present ones without training.
type Observation struct {
	Mask Mask // of the policy
	// Trained is the part of the records that each of the mask's keys had in training, by rank.
	// It makes the observation adaptive; nil: as published.
	Trained []float64
	// Published says that equal record counts count as 2, which describes a perfect route as
	// overload everywhere, as the published code does; else they are 1, the middle.
	Published bool
}

// ObservationForm names the form of an observation in settings.
type ObservationForm string

const (
	// AdaptiveObservation is the published one with what a policy needs to adapt.
	AdaptiveObservation ObservationForm = "adaptive"
	// PublishedObservation has record counts and busy ratios alone.
	PublishedObservation ObservationForm = "published"
)

// IsZero keeps the published form out of manifests: older versions, which know no other, can
// then read them.
func (f ObservationForm) IsZero() bool { return f == "" || f == PublishedObservation }

// Validate reports an impossible form; published is Observation.Published.
func (f ObservationForm) Validate(published bool) error {
	return errors.Join(
		field.Check(f == AdaptiveObservation || f == PublishedObservation, "observation", "is %q; it must be %s or %s", f, AdaptiveObservation, PublishedObservation),
		field.Check(f != AdaptiveObservation || !published, "observation", "is %s, which published: true does without; set it to %s", f, PublishedObservation),
	)
}

// Seen is what an observation is computed from: measurements of a window, and what the
// windows until then say of workers and keys. An observation that is not adaptive needs Counts
// and Busy alone.
type Seen struct {
	Counts []float64 // by worker: its records, or its work
	Busy   []float64 // by worker
	Log    []float64 // by worker: the log of its slowness, which is busy time over work; on any scale
	Fixed  []float64 // by worker: the part of all work that it gets whatever the action is
	Keys   []float64 // by rank: the part of all work that each of the mask's keys has; missing ranks have none
}

// ObservationScale brings the numbers that an adaptive observation adds to the order of 1.
const ObservationScale = 4

// Size returns the length of the observation.
func (o *Observation) Size() int {
	if o.Trained == nil {
		return 2 * o.Mask.Workers
	}
	return 4*o.Mask.Workers + len(o.Mask.Keys)
}

// Of appends the observation to dst. An unmeasured worker (busy NaN) counts as saturated, as it
// does in the published system after a time-out. Of does not allocate if dst has the capacity.
//
//	count:    clip((x - mean) / (5 std) + 1, 0, 2), std of the population
//	busy:     x, or 2 where x >= 1
//	slowness: 4 (x - mean), of the logs
//	fixed:    4P (x - mean)
//	key:      4P (x - trained) / number of its workers
func (o *Observation) Of(dst []float64, s *Seen) []float64 {
	n := float64(len(s.Counts))
	mean, sq := 0.0, 0.0
	for _, x := range s.Counts {
		mean += x
	}
	mean /= n
	for _, x := range s.Counts {
		sq += (x - mean) * (x - mean)
	}
	std := math.Sqrt(sq / n)
	scale := 1 / (5 * std)
	for _, x := range s.Counts {
		switch {
		case std > 1e-12*math.Abs(mean):
			dst = append(dst, min(max((x-mean)*scale+1, 0), 2))
		case o.Published:
			dst = append(dst, 2)
		default:
			dst = append(dst, 1)
		}
	}
	for _, b := range s.Busy {
		if !(b < 1) {
			b = 2
		}
		dst = append(dst, b)
	}
	if o.Trained == nil {
		return dst
	}
	dst = centred(dst, s.Log, ObservationScale)
	dst = centred(dst, s.Fixed, ObservationScale*n)
	for rank, row := range o.Mask.Keys {
		load := 0.0
		if rank < len(s.Keys) {
			load = s.Keys[rank]
		}
		dst = append(dst, ObservationScale*n*(load-o.Trained[rank])/float64(len(row)))
	}
	return dst
}

// centred appends numbers less their mean, scaled.
func centred(dst, x []float64, scale float64) []float64 {
	mean := sums.Of(x) / float64(len(x))
	for _, v := range x {
		dst = append(dst, scale*(v-mean))
	}
	return dst
}

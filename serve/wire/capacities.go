package wire

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/saspart/saspart/policy"
)

// capacityUnit is the mean capacity on the wire. Routers take shares in 256ths.
const capacityUnit = 4096

// appendCapacities appends the fields of capacities. A capacity above 0 stays above 0.
func appendCapacities(b []byte, c *policy.Capacities) []byte {
	mean := 1 / float64(len(c.Of))
	b = appendColumn(b, 8, c.Of, func(v *float64) uint64 {
		if *v == 0 {
			return 0
		}
		return uint64(max(1, math.Round(*v/mean*capacityUnit)))
	})
	if len(c.Waiting) > 0 {
		b = appendColumn(b, 9, c.Waiting, func(v *float64) uint64 {
			return protowire.EncodeZigZag(int64(max(math.MinInt32, min(math.MaxInt32, math.Round(*v)))))
		})
	}
	return appendCount(b, 10, wholeLoad(c.Load))
}

// wholeLoad is a load on the wire. One above 0 stays above 0.
func wholeLoad(load float64) uint64 {
	if !(load > 0) {
		return 0
	}
	return uint64(max(1, math.Round(min(load, 1)*capacityUnit)))
}

// rawCapacities are capacities as they are on the wire.
type rawCapacities struct {
	of, waiting bounded[uint32]
	load        uint32
}

// capacities checks the capacities of a decision; nil: it has none.
func (r *rawCapacities) capacities(workers int) (*policy.Capacities, error) {
	if r.of.n == 0 && r.waiting.n == 0 {
		return nil, nil
	}
	if r.of.n != workers || r.waiting.n != 0 && r.waiting.n != workers {
		return nil, fmt.Errorf("capacities: %d capacities, and what waits at %d workers; the job has %d", r.of.n, r.waiting.n, workers)
	}
	parts := make([]float64, workers)
	for i, v := range r.of.list {
		parts[i] = float64(v)
	}
	c := policy.CapacitiesOf(parts)
	if c == nil {
		return nil, errors.New("capacities: all are 0")
	}
	c.Load = min(float64(r.load)/capacityUnit, 1)
	if r.waiting.n > 0 {
		c.Waiting = make([]float64, workers)
	}
	for i, v := range r.waiting.list {
		c.Waiting[i] = float64(int32(protowire.DecodeZigZag(uint64(v))))
	}
	return c, nil
}

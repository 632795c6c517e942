package learned

import (
	"fmt"
	"testing"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/scenario"
)

// What the built-in capacity policy does for a window short of planning: features, network,
// capacities.
func BenchmarkCapacityFollow(b *testing.B) {
	for _, workers := range []int{8, 64, 200} {
		b.Run(fmt.Sprintf("P=%d", workers), func(b *testing.B) {
			c, err := checkpoint.Builtin()
			if err != nil {
				b.Fatal(err)
			}
			f, err := NewCapacityPolicy(c, workers)
			if err != nil {
				b.Fatal(err)
			}
			s := scenario.New(scenario.Default(), workers, 1)
			share, busy, queue := make([]float64, workers), make([]float64, workers), make([]float64, workers)
			for w := range share {
				share[w] = 1 / float64(workers)
			}
			s.Busy(0, share, busy)
			m := scenario.Measured{Share: share, Seen: share, Busy: busy, Queue: queue}
			next := make([]float64, workers)
			b.ReportAllocs()
			for b.Loop() {
				f.Decide(&m, next)
			}
		})
	}
}

package policy

import (
	"fmt"
	"testing"
)

// What the built-in capacity policy does for a window short of planning: features, network,
// capacities.
func BenchmarkCapacityFollow(b *testing.B) {
	for _, workers := range []int{8, 64, 200} {
		b.Run(fmt.Sprintf("P=%d", workers), func(b *testing.B) {
			c, err := Builtin()
			if err != nil {
				b.Fatal(err)
			}
			f, err := NewCapacity(c, workers)
			if err != nil {
				b.Fatal(err)
			}
			s := NewScenario(DefaultScenarios(), workers, 1)
			share, busy, queue := make([]float64, workers), make([]float64, workers), make([]float64, workers)
			for w := range share {
				share[w] = 1 / float64(workers)
			}
			s.Busy(0, share, busy)
			m := Measured{Share: share, Seen: share, Busy: busy, Queue: queue}
			next := make([]float64, workers)
			b.ReportAllocs()
			for b.Loop() {
				f.Follow(&m, next)
			}
		})
	}
}

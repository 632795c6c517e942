package registry

import (
	"fmt"
	"testing"
	"time"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/routertest"
)

// BenchmarkRoute times every partitioner on a zipf 1.5 stream of 10,000 keys in batches of
// 1024. ns/record is the fastest of many passes over a slide of 16 batches. x-hash is its
// ratio to the fastest pass of `hash`. The two alternate, so that other load on the machine
// slows both.
func BenchmarkRoute(b *testing.B) {
	batches := routertest.ZipfBatches(16, 1024, 10000, 1.5, 3)
	dst := make([]partition.Dest, 1024)
	pass := func(r partition.Router) time.Duration {
		start := time.Now()
		for i := range batches {
			r.Route(&batches[i], dst)
		}
		return time.Since(start)
	}
	records := float64(len(batches) * len(dst))
	for _, name := range Names() {
		for _, workers := range []int{8, 64, 256} {
			b.Run(fmt.Sprintf("%s/P=%d", name, workers), func(b *testing.B) {
				r := warmRouter(b, name, workers, batches)
				hash := warmRouter(b, "hash", workers, batches)
				b.ReportAllocs()
				fastest, baseline := time.Hour, time.Hour
				for b.Loop() {
					pass(r) // the other's passes have used the caches
					fastest = min(fastest, pass(r))
					baseline = min(baseline, pass(hash))
				}
				b.ReportMetric(float64(fastest)/records, "ns/record")
				b.ReportMetric(float64(fastest)/float64(baseline), "x-hash")
				b.ReportMetric(0, "ns/op") // of all three passes: says nothing
			})
		}
	}
}

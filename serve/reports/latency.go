package reports

import (
	"math/bits"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latency is a histogram of times from when a record was due until its service ended,
// in buckets that are a 128th of their times wide, or a nanosecond.
type Latency struct {
	Buckets []uint32      // those that are not empty, ascending, below LatencyBuckets
	Counts  []int64       // records in each of them
	Max     time.Duration // the longest
}

// LatencyBuckets is how many buckets there are: those of times below 2^45 ns, 9.7 h.
const LatencyBuckets = 38*128 + 128

// LatencyBucket is the bucket of a time. One that is too long for any is in the last,
// a negative one in the first.
func LatencyBucket(t time.Duration) uint32 {
	v := uint64(max(t, 0))
	if v < 256 {
		return uint32(v)
	}
	e := bits.Len64(v) - 8
	return min(uint32(e*128)+uint32(v>>e), LatencyBuckets-1)
}

// middle is the time in the middle of a bucket.
func middle(bucket uint32) int64 {
	if bucket < 256 {
		return int64(bucket)
	}
	e := bucket/128 - 1
	return int64(bucket-128*e)<<e + int64(1)<<e/2
}

// newHistogram is one of 1 us to 1 day, as the engines have.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1000, 1e14, 2) }

// addTo counts the times in.
func (l *Latency) addTo(h *hdrhistogram.Histogram) {
	for i, b := range l.Buckets {
		_ = h.RecordValues(middle(b), l.Counts[i]) // every bucket is in its range
	}
}

package reports

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/saspart/saspart/policy"
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

// timed is a bucket of one worker's latencies.
type timed struct {
	worker, bucket uint32
	count          int64
}

// mostTimed is how many buckets a window keeps apart, 4 MiB of them. Those beyond are
// counted at once, and stay in when their worker turns out to be missing.
const mostTimed = 1 << 18

// time takes in the latencies of a worker's slide.
func (p *pane) time(worker int, l *Latency) {
	for i, b := range l.Buckets {
		t := timed{uint32(worker), b, l.Counts[i]}
		if p.shape.Slides > 1 && len(p.timed) < mostTimed {
			p.timed = append(p.timed, t)
		} else {
			p.record(t)
		}
	}
	p.longest[worker] = max(p.longest[worker], l.Max)
}

func (p *pane) record(t timed) {
	if p.latency == nil {
		p.latency = newHistogram()
	}
	_ = p.latency.RecordValues(middle(t.bucket), t.count) // every bucket is in its range
}

// latencies fills in how long the records took of the workers that are not missing.
func (p *pane) latencies(w *policy.Window, out *Assembled) {
	if p.of != nil {
		out.Latency = p.of.Latency
		if h := out.Latency; h != nil && h.TotalCount() > 0 {
			w.LatencyP50, w.LatencyP99 = time.Duration(h.ValueAtQuantile(50)), time.Duration(h.ValueAtQuantile(99))
			w.LatencyMax = time.Duration(h.Max())
		}
		return
	}
	whole := func(worker int) bool { return int(p.got[worker]) == p.shape.Slides }
	for _, t := range p.timed {
		if whole(int(t.worker)) {
			p.record(t)
		}
	}
	if p.latency == nil || p.latency.TotalCount() == 0 {
		return
	}
	for i, d := range p.longest {
		if whole(i) {
			w.LatencyMax = max(w.LatencyMax, d)
		}
	}
	out.Latency = p.latency
	w.LatencyP50 = min(time.Duration(p.latency.ValueAtQuantile(50)), w.LatencyMax)
	w.LatencyP99 = min(time.Duration(p.latency.ValueAtQuantile(99)), w.LatencyMax)
}

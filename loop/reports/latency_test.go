package reports

import (
	"math"
	"math/bits"
	"testing"
	"time"
)

// bucketOf is the bucket of a time. One that is too long for any is in the last,
// a negative one in the first.
func bucketOf(t time.Duration) uint32 {
	v := uint64(max(t, 0))
	if v < 256 {
		return uint32(v)
	}
	e := bits.Len64(v) - 8
	return min(uint32(e*128)+uint32(v>>e), LatencyBuckets-1)
}

// Every time is in a bucket whose middle is within a 256th of it, and buckets are in
// the order of times.
func TestLatencyBuckets(t *testing.T) {
	rng := newRand(3)
	for range 100_000 {
		v := time.Duration(rng.Uint64() >> (19 + rng.IntN(45)))
		b := bucketOf(v)
		if off := math.Abs(float64(middle(b)) - float64(v)); off > max(0.5, float64(v)/256) || b >= LatencyBuckets {
			t.Fatalf("%d ns is in bucket %d, the middle of which is %d ns", v, b, middle(b))
		}
		if next := bucketOf(v + 1); next != b && next != b+1 {
			t.Fatalf("%d ns is in bucket %d, the next in %d", v, b, next)
		}
	}
	for v, want := range map[time.Duration]uint32{-5: 0, 0: 0, 255: 255, 256: 256, 257: 256, 258: 257, 511: 383, 512: 384, math.MaxInt64: LatencyBuckets - 1} {
		if b := bucketOf(v); b != want {
			t.Errorf("%d ns is in bucket %d, not %d", v, b, want)
		}
	}
}

// What workers, reducers and partitioners report besides loads is in the window.
func TestWindowHasWhatReducersAndLatenciesSay(t *testing.T) {
	shape := Shape{Workers: 2, Partitioners: 2, Reducers: 2, Slides: 2, Slide: time.Second, Queue: 256}
	a := NewAssembler(shape, quick)
	now := time.Unix(0, 0)
	lat := func(times ...time.Duration) *Latency {
		l := &Latency{}
		for _, v := range times {
			l.Buckets, l.Counts, l.Max = append(l.Buckets, bucketOf(v)), append(l.Counts, 1), max(l.Max, v)
		}
		return l
	}
	add := func(slide uint64, reducers ...Reducer) {
		t.Helper()
		r := &Report{
			Slide: slide, Reducers: reducers,
			Workers: []Worker{
				{Index: 0, CPU: 0.25, Bypassed: 2, StateKeys: 10 + int64(slide), Latency: lat(time.Millisecond, 2*time.Millisecond)},
				{Index: 1, CPU: 0, Bypassed: 1, StateKeys: 5, Latency: lat(time.Millisecond, 9*time.Millisecond+time.Duration(slide))},
			},
			Partitioners: []Partitioner{{Index: 0, Name: "pkg", Share: []byte{byte(slide)}}, {Index: 1, Name: "pkg"}},
		}
		if err := r.Check(&shape); err != nil {
			t.Fatal(err)
		}
		if err := a.Add(now, r); err != nil {
			t.Fatal(err)
		}
	}
	add(0, Reducer{0, 0.5, 4, 10}, Reducer{1, 0.25, 2, 2})
	add(1, Reducer{0, 0.25, 0, 0})
	if a.Next(now) != nil {
		t.Fatal("a window without its second reducer is returned before its deadline")
	}
	got := a.Next(now.Add(quick.Deadline))
	w := got.Window
	if w.Reducer[0] != 0.375 || !math.IsNaN(w.Reducer[1]) || len(got.Reducers) != 1 || got.Complete() {
		t.Errorf("reducers %v, missing %v", w.Reducer, got.Reducers)
	}
	if want := (10. + 6) / (4 + 6); w.FanOut != want || w.Pairs != 16 {
		t.Errorf("a key is on %v workers, not %v; %d pairs", w.FanOut, want, w.Pairs)
	}
	if got.CPU[0] != 0.25 || got.CPU[1] != 0 {
		t.Errorf("threads were on cores %v", got.CPU)
	}
	within := func(got, want time.Duration) bool { return math.Abs(float64(got-want)) <= 0.01*float64(want) }
	if !within(w.LatencyP50, time.Millisecond) || !within(w.LatencyP99, 9*time.Millisecond) || w.LatencyMax != 9*time.Millisecond+1 {
		t.Errorf("latencies %v, %v, %v", w.LatencyP50, w.LatencyP99, w.LatencyMax)
	}
	if w.Partitioner != "pkg" || w.RouteNew || w.QueueSize != 256 {
		t.Errorf("partitioner %q, new %v, queues of %d", w.Partitioner, w.RouteNew, w.QueueSize)
	}
	if len(got.Shares) != 2 || got.Shares[0][0] != 1 || got.Shares[1] != nil {
		t.Errorf("shares %v", got.Shares)
	}
	if a.Latest() != 1 {
		t.Errorf("the latest slide is %d", a.Latest())
	}
}

// The latencies of a missing worker do not count, also in reused memory; they do beyond the
// number of buckets that are kept by worker.
func TestLatenciesOfMissingWorkersAreLeftOut(t *testing.T) {
	shape := Shape{Workers: 2, Partitioners: 1, Slides: 2, Slide: time.Second}
	whole := &Latency{Buckets: []uint32{bucketOf(time.Millisecond)}, Counts: []int64{10}, Max: time.Millisecond}
	missing := &Latency{Buckets: []uint32{bucketOf(time.Second)}, Counts: []int64{1000}, Max: time.Second}
	many := &Latency{Max: time.Second}
	for b := range uint32(LatencyBuckets) {
		many.Buckets, many.Counts = append(many.Buckets, b), append(many.Counts, 1)
	}
	shape.Workers += mostTimed/LatencyBuckets + 1
	a := NewAssembler(shape, quick)
	now := time.Unix(0, 0)
	for _, tc := range []struct {
		why     string
		others  *Latency // of the missing workers
		count   int64
		longest time.Duration
	}{
		{"one worker is there", missing, 20, time.Millisecond},
		{"again", missing, 20, time.Millisecond},
		{"more than is kept apart", many, 20 + LatencyBuckets*int64(shape.Workers-1) - mostTimed + 1, time.Millisecond},
		{"and again, after that", missing, 20, time.Millisecond},
	} {
		n := a.base
		for slide := range uint64(2) {
			r := &Report{Slide: 2*n + slide, Workers: []Worker{{Index: 0, Latency: whole}}}
			for w := 1; w < shape.Workers && slide == 0; w++ {
				r.Workers = append(r.Workers, Worker{Index: w, Latency: tc.others})
			}
			if err := a.Add(now, r); err != nil {
				t.Fatal(err)
			}
		}
		now = now.Add(quick.Deadline)
		got := a.Next(now)
		if got == nil || len(got.Workers) != shape.Workers-1 {
			t.Fatalf("%s: %+v", tc.why, got)
		}
		if c := got.Latency.TotalCount(); c != tc.count || got.Window.LatencyMax != tc.longest || got.Window.LatencyP99 > tc.longest {
			t.Errorf("%s: %d latencies, want %d; longest %v, p99 %v", tc.why, c, tc.count, got.Window.LatencyMax, got.Window.LatencyP99)
		}
		got.Release()
	}
}

// A partitioner that is exchanged in a window makes its route new, and a window keeps
// bytes of shares only.
func TestPartitionersChangeAndShare(t *testing.T) {
	shape := Shape{Workers: 1, Partitioners: 6, Slides: 2, Slide: time.Second}
	a := NewAssembler(shape, quick)
	for slide, name := range []string{"hash", "pkg"} {
		r := &Report{Slide: uint64(slide), Workers: []Worker{{}}}
		for i := range shape.Partitioners {
			r.Partitioners = append(r.Partitioners, Partitioner{Index: i, Name: name, Share: make([]byte, 1<<20)})
		}
		if err := a.Add(time.Time{}, r); err != nil {
			t.Fatal(err)
		}
	}
	got := a.Next(time.Time{})
	if got.Window.Partitioner != "pkg" || !got.Window.RouteNew {
		t.Errorf("partitioner %q, new %v", got.Window.Partitioner, got.Window.RouteNew)
	}
	total := 0
	for _, s := range got.Shares {
		total += len(s)
	}
	if total != mostGossip {
		t.Errorf("%d bytes of shares are kept", total)
	}
	if got.Window.Route != nil || got.Window.Reducer != nil {
		t.Errorf("a window of no known route and no reducers has %v, %v", got.Window.Route, got.Window.Reducer)
	}
}

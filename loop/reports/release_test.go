package reports

import (
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/saspart/saspart/policy"
)

// A window in memory that others have released is what it would be in memory of its own:
// jobs of several shapes take turns, with missing subtasks, several slides, long and
// short lists.
func TestReleasedMemoryShowsNothing(t *testing.T) {
	shapes := []Shape{
		{Workers: 5, Partitioners: 2, Slots: 16, Slides: 2, Slide: 50 * time.Millisecond, Reducers: 3},
		{Workers: 2, Partitioners: 1, Slots: 4, Slides: 1, Slide: 50 * time.Millisecond},
		{Workers: 9, Partitioners: 3, Slides: 3, Slide: 50 * time.Millisecond, Reducers: 1},
	}
	var keep, release []*Assembler
	for _, s := range shapes {
		keep, release = append(keep, NewAssembler(s, quick)), append(release, NewAssembler(s, quick))
	}
	rng := newRand(5)
	now, windows := time.Unix(0, 0), 0
	for slide := range uint64(200) {
		now = now.Add(10 * time.Millisecond)
		for i := range shapes {
			r := drawn(&shapes[i], slide, rng.IntN)
			if err := keep[i].Add(now, r); err != nil {
				t.Fatal(err)
			}
			_ = release[i].Add(now, r)
			for {
				want, got := keep[i].Next(now), release[i].Next(now)
				if (want == nil) != (got == nil) {
					t.Fatalf("slide %d: %v, want %v", slide, got, want)
				}
				if want == nil {
					break
				}
				diff := gocmp.Diff(want, got, cmpopts.IgnoreUnexported(Assembled{}), cmpopts.EquateNaNs(), cmpopts.EquateEmpty(),
					gocmp.FilterPath(func(p gocmp.Path) bool { return p.Last().String() == ".Latency" }, gocmp.Ignore()))
				if diff != "" {
					t.Fatalf("slide %d of shape %d (-alone +released):\n%s", slide, i, diff)
				}
				windows++
				got.Release()
			}
		}
	}
	if windows < 150 {
		t.Errorf("only %d windows were looked at", windows)
	}
}

// drawn is a report of some subtasks.
func drawn(s *Shape, slide uint64, n func(int) int) *Report {
	r := &Report{Slide: slide}
	for i := range s.Workers {
		if n(20) == 0 {
			continue
		}
		w := Worker{Index: i, Records: int64(n(100)), Units: int64(n(100)), Busy: float64(n(10)) / 10, Queue: 0.5, StateKeys: int64(n(9)), Bypassed: int64(n(3))}
		for range n(3) {
			w.Realised = append(w.Realised, Realised{Hash: uint64(n(5)), Count: int64(n(9))})
		}
		if n(3) > 0 {
			w.Times = timesOf(int64(1 + n(9)))
			w.Times.Slots[0].Slot, w.Times.Keys[0].Hash = int32(n(2)), uint64(n(4))
		}
		if n(3) == 0 {
			w.Latency = &Latency{Buckets: []uint32{uint32(300 + n(1000))}, Counts: []int64{int64(1 + n(9))}, Max: time.Duration(1 + n(1e6))}
		}
		r.Workers = append(r.Workers, w)
	}
	for i := range s.Partitioners {
		p := Partitioner{Index: i, Sent: int64(n(100)), Offered: float64(n(100)), RouteVersion: uint64(n(2)), RouteChanged: n(9) == 0}
		for range n(6) {
			p.Hot = append(p.Hot, policy.HotKey{Hash: uint64(n(20)), Name: "k", Count: int64(n(50)), Error: int64(n(3))})
		}
		if n(4) > 0 {
			for range s.Slots {
				p.Slots = append(p.Slots, int64(n(50)))
			}
		}
		if n(4) == 0 {
			p.Share = []byte{byte(n(256))}
		}
		r.Partitioners = append(r.Partitioners, p)
	}
	for i := range s.Reducers {
		if n(9) > 0 {
			r.Reducers = append(r.Reducers, Reducer{Index: i, Busy: 0.25, Keys: int64(n(9)), Pairs: int64(n(20))})
		}
	}
	return r
}

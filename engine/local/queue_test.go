package local

import (
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/operator"
	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/policy"
)

// The lowest mark is the minimum of all, and each rise is reported once.
func TestWatermarkIsTheMinimum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "inputs")
		w, marks := newWatermark(n), make([]int64, n)
		for i := range marks {
			marks[i] = operator.NoSlide
		}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			i := rapid.IntRange(0, n-1).Draw(t, "input")
			next := max(0, marks[i]) + rapid.Int64Range(0, 2).Draw(t, "by")
			if rapid.IntRange(0, 20).Draw(t, "end") == 0 || marks[i] == never {
				next = never
			}
			before := slices.Min(marks)
			marks[i] = next
			rose := w.advance(i, next)
			if low := slices.Min(marks); w.low != low || rose != (low > before) {
				t.Fatalf("marks %v: lowest %d, rose %v; was %d", marks, w.low, rose, before)
			}
		}
	})
}

// An inbox never holds more than its limit, loses nothing, keeps each sender's
// order, and no sender or receiver sleeps through what it waits for.
func TestInboxKeepsOrderAndBounds(t *testing.T) {
	const senders, each, limit = 3, 5000, 7
	type element struct{ sender, n int }
	ready := make(chan struct{}, 1)
	q := newInbox[element](limit, ready)
	var all sync.WaitGroup
	for s := range senders {
		all.Go(func() {
			wake := make(chan struct{}, 1)
			for n := 0; n < each; {
				room, _ := q.open(min(5, each-n), wake)
				for i := range room {
					room[i] = element{s, n + i}
				}
				q.shut()
				if n += len(room); len(room) == 0 {
					<-wake
				}
			}
		})
	}
	next := make([]int, senders)
	var got []element
	for total := 0; total < senders*each; {
		if got = q.take(got); len(got) == 0 {
			<-ready
			continue
		}
		if len(got) > limit {
			t.Fatalf("%d elements are in a queue for %d", len(got), limit)
		}
		for _, e := range got {
			if e.n != next[e.sender] {
				t.Fatalf("sender %d: element %d after %d", e.sender, e.n, next[e.sender]-1)
			}
			next[e.sender]++
		}
		total += len(got)
		if q.level() > 1 {
			t.Fatalf("the queue is %.2f full", q.level())
		}
		q.release(len(got), 0)
	}
	all.Wait()
	if q.level() != 0 {
		t.Errorf("the queue is %.2f full after everything was taken", q.level())
	}
}

func TestShared(t *testing.T) {
	route := func(v uint64) *policy.Route { return &policy.Route{Version: v} }
	versions := func(list []loop.Announcement) (out []uint64) {
		for _, n := range list {
			out = append(out, n.Route.Version)
		}
		return out
	}
	b := newShared(&engine.Config{Partitioners: 2, Reducers: 3}, 1)
	a := b.announcements // no other goroutine runs
	a.Begin(0, 0, nil)
	a.Begin(1, 0, nil)
	a.Begin(0, 1, nil)
	a.Route(route(1))
	a.Route(route(2))
	if got := a.Begin(1, 1, nil); len(got) != 0 {
		t.Errorf("subtask 1 adopts %v in a slide that subtask 0 had begun before", versions(got))
	}
	for i := range 2 {
		if got := versions(a.Begin(i, 2, nil)); !slices.Equal(got, []uint64{2}) {
			t.Errorf("subtask %d adopts routes %v in slide 2; the second was announced for the same slide", i, got)
		}
	}

	a.Gossip(0, 2, "a")
	if got := a.Begin(0, 3, nil); len(got) != 0 {
		t.Errorf("%v is adopted before subtask 1 has contributed", got)
	}
	a.Gossip(1, 2, "b")
	for i := range 2 {
		if got := a.Begin(i, 4, nil); len(got) != 1 || !slices.Equal(got[0].Gossip, []any{"a", "b"}) {
			t.Errorf("subtask %d adopts %+v, want both snapshots in the order of subtasks", i, got)
		}
	}
	b.end(0)
	a.Gossip(1, 4, "c")
	if got := a.Begin(1, 5, nil); len(got) != 1 || !slices.Equal(got[0].Gossip, []any{nil, "c"}) {
		t.Errorf("subtask 1 adopts %+v, want its snapshot in its place: the other's source has ended", got)
	}

	first := b.plan(0)
	second := operator.PlanReducers(3, map[uint64]int{7: 2, 9: 3})
	b.reduced(2, operator.FanOut{Pairs: 6, Keys: 4}, second)
	if b.plan(5) != first || b.plan(6) != second {
		t.Error("a reducer plan holds from the first slide that no subtask has begun")
	}
	if got := b.fanOut(); got != (operator.FanOut{Pairs: 6, Keys: 4}) {
		t.Errorf("fan-out is %v, want 6 pairs of 4 keys", got)
	}
}

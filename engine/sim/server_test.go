package sim

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// parcel is a record of the twin's input: when it is due, where it goes, what
// its service costs.
type parcel struct {
	due, cost picos
	worker    int
}

// stay is what became of a parcel.
type stay struct{ accepted, begun, ended picos }

// queues is the naive twin of a job's record path: real queues, and time that
// goes from one event to the next.
type queues struct {
	size    int
	waiting [][]*stay // per worker, in the queue
	serving []*stay   // per worker
	costs   map[*stay]picos
}

// run plays the parcels of each sender, which sends one after the other.
func (q *queues) run(senders [][]parcel) [][]stay {
	out := make([][]stay, len(senders))
	next := make([]int, len(senders))
	readyAt := make([]picos, len(senders)) // since when the sender's next parcel waits to be sent
	for s, ps := range senders {
		out[s] = make([]stay, len(ps))
		if len(ps) > 0 {
			readyAt[s] = ps[0].due
		}
	}
	now := picos(0)
	for {
		for again := true; again; {
			again = false
			for w, in := range q.serving {
				if in != nil && in.ended <= now {
					q.serving[w] = nil
				}
				if q.serving[w] == nil && len(q.waiting[w]) > 0 {
					in = q.waiting[w][0]
					q.waiting[w] = q.waiting[w][1:]
					in.begun, in.ended = now, now+q.costs[in]
					q.serving[w] = in
					again = true
				}
			}
			first := -1 // of those that wait, the one that came first and finds room
			for s := range senders {
				if next[s] == len(senders[s]) || readyAt[s] > now {
					continue
				}
				if len(q.waiting[senders[s][next[s]].worker]) < q.size && (first < 0 || readyAt[s] < readyAt[first]) {
					first = s
				}
			}
			if first >= 0 {
				p, in := senders[first][next[first]], &out[first][next[first]]
				q.costs[in] = p.cost
				in.accepted = now
				q.waiting[p.worker] = append(q.waiting[p.worker], in)
				if next[first]++; next[first] < len(senders[first]) {
					readyAt[first] = max(now, senders[first][next[first]].due)
				}
				again = true
			}
		}
		after := picos(never)
		for _, in := range q.serving {
			if in != nil {
				after = min(after, in.ended)
			}
		}
		for s := range senders {
			if next[s] < len(senders[s]) && readyAt[s] > now {
				after = min(after, readyAt[s])
			}
		}
		if after == never {
			return out
		}
		now = after
	}
}

// The recurrence gives the same times as real queues, and the same busy time in each window,
// for one sender and for several, served in the order in which they are ready.
func TestServerEqualsQueues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := rapid.IntRange(1, 4).Draw(t, "workers")
		queue := rapid.IntRange(1, 3).Draw(t, "queue")
		senders := make([][]parcel, rapid.IntRange(1, 3).Draw(t, "senders"))
		// Large random times, so that no two events fall on one instant, where
		// whose turn it is would be a matter of taste.
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		for s := range senders {
			due := picos(0)
			for range rapid.IntRange(0, 40).Draw(t, "parcels") {
				due += picos(rng.Int64N(1 << 40))
				senders[s] = append(senders[s], parcel{due, picos(1 + rng.Int64N(1<<42)), rng.IntN(workers)})
			}
		}
		q := queues{size: queue, waiting: make([][]*stay, workers), serving: make([]*stay, workers), costs: map[*stay]picos{}}
		want := q.run(senders)

		const window = 1 << 41
		servers := make([]server, workers)
		for i := range servers {
			servers[i] = newServer(queue, window)
		}
		free, next := make([]picos, len(senders)), make([]int, len(senders))
		for {
			first, ready := -1, picos(never)
			for s := range senders {
				if next[s] < len(senders[s]) {
					if t := max(senders[s][next[s]].due, free[s]); t < ready {
						first, ready = s, t
					}
				}
			}
			if first < 0 {
				break
			}
			p := senders[first][next[first]]
			w := &servers[p.worker]
			free[first] = w.space(ready)
			end := w.serve(free[first], p.cost)
			if in := want[first][next[first]]; free[first] != in.accepted || end != in.ended {
				t.Fatalf("parcel %d of sender %d: accepted %d, ended %d; the queues say %+v", next[first], first, free[first], end, in)
			}
			next[first]++
		}
		for k := picos(0); k < 64; k++ {
			for w := range servers {
				busy := picos(0)
				for s := range senders {
					for i, in := range want[s] {
						if senders[s][i].worker == w {
							busy += max(0, min(in.ended, (k+1)*window)-max(in.begun, k*window))
						}
					}
				}
				if got := servers[w].take((k + 1) * window).busy; got != busy {
					t.Fatalf("worker %d is busy for %d in window %d; the queues say %d", w, got, k, busy)
				}
			}
		}
	})
}

func TestLedger(t *testing.T) {
	for _, c := range []struct {
		why   string
		spans [][2]picos
		want  []picos
	}{
		{"a span inside a window", [][2]picos{{2, 5}}, []picos{3}},
		{"a span over an edge is divided", [][2]picos{{8, 13}}, []picos{2, 3}},
		{"a span longer than a window fills it", [][2]picos{{5, 37}}, []picos{5, 10, 10, 7}},
		{"a span that ends at an edge stays before it", [][2]picos{{5, 10}, {10, 11}}, []picos{5, 1}},
		{"nothing booked in between", [][2]picos{{1, 2}, {31, 32}}, []picos{1, 0, 0, 1}},
	} {
		l := ledger{length: 10, until: 10}
		for _, s := range c.spans {
			l.work(s[0], s[1])
		}
		for k, want := range c.want {
			if got := l.take(picos(k+1) * 10).busy; got != want {
				t.Errorf("%s: window %d has %d, want %d", c.why, k, got, want)
			}
		}
	}
}

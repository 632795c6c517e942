package meter

import (
	"math/rand/v2"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

func newMeter(t testing.TB, c Config) *Meter {
	t.Helper()
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// batchOf is a batch of keys by their numbers.
func batchOf(keys ...int) *stream.Batch {
	b := &stream.Batch{}
	b.Resize(len(keys))
	for i, k := range keys {
		name := strconv.Itoa(k)
		b.Records[i].Key, b.Hashes[i] = name, stream.Hash(name)
	}
	return b
}

func TestConfig(t *testing.T) {
	for _, c := range []struct {
		why  string
		c    Config
		path string
	}{
		{"no workers", Config{Partitioners: 1}, "workers"},
		{"no partitioner subtasks", Config{Workers: 1}, "partitioners"},
		{"a negative number of keys", Config{Workers: 1, Partitioners: 1, HotKeys: -1}, "hot_keys"},
		{"a negative queue", Config{Workers: 1, Partitioners: 1, Queue: -1}, "queue"},
	} {
		_, err := New(c.c)
		if errs := field.List(err); len(errs) != 1 || errs[0].Path != c.path {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}

// Windows hold what was counted between them, no more and no less: the twin keeps it in
// maps.
func TestWindows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Config{Workers: rapid.IntRange(1, 5).Draw(t, "workers"), Partitioners: rapid.IntRange(1, 2).Draw(t, "partitioners"), HotKeys: 100, Queue: 7}
		m, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		at := time.Duration(0)
		var route *policy.Route
		queue := make([]float64, c.Workers)
		for step := range rapid.IntRange(1, 3).Draw(t, "windows") {
			length := time.Duration(1 + rng.IntN(1e9))
			want := &policy.Window{
				Step: step, Start: at, End: at + length, QueueSize: 7, Slots: make([]int64, policy.SlotCount(c.Workers)),
				Counts: make([]int64, c.Workers), Units: make([]int64, c.Workers), Busy: make([]float64, c.Workers),
			}
			at += length
			keys, pairs, sent, blocked := map[int]int64{}, map[[2]int]int64{}, 0, 0.0
			for range rng.IntN(20) {
				p := m.Partitioner(rng.IntN(c.Partitioners))
				batch := batchOf(rng.IntN(9), rng.IntN(9), 1)
				to := make([]partition.Dest, 3)
				for i, h := range batch.Hashes {
					k, _ := strconv.Atoi(batch.Records[i].Key)
					worker := rng.IntN(c.Workers)
					keys[k]++
					want.Slots[policy.SlotOf(h, len(want.Slots))]++
					if to[i] = partition.Dest(worker); rng.IntN(2) == 0 {
						to[i] |= partition.Merge
						pairs[[2]int{k, worker}]++
					}
				}
				p.Observe(batch, to)
				sent += 3
			}
			for range rng.IntN(20) {
				i, n, busy := rng.IntN(c.Workers), rng.IntN(5), time.Duration(rng.IntN(int(length)))
				m.Worker(i).Done(n, busy)
				m.Worker(i).Units(2 * n)
				want.Records += int64(n)
				want.Counts[i] += int64(n)
				want.Units[i] += int64(2 * n)
				want.Busy[i] += float64(busy)
			}
			for i, b := range want.Busy {
				want.Busy[i] = min(1, b/float64(length))
			}
			if rng.IntN(2) == 0 {
				i := rng.IntN(c.Workers)
				queue[i] = rng.Float64()
				m.Worker(i).Queue(queue[i])
			}
			if rng.IntN(2) == 0 {
				route = policy.HashRoute(c.Workers)
				route.Version = uint64(step + 1)
				want.RouteNew = true
				m.Partitioner(rng.IntN(c.Partitioners)).Follow(route)
			}
			if rng.IntN(2) == 0 {
				m.Partitioner(0).Blocked(length / 2)
				blocked = float64(length/2) / float64(length) / float64(c.Partitioners)
			}
			want.Route, want.Queue, want.Backpressured = route, slices.Clone(queue), blocked
			want.ActualRate = float64(sent) / length.Seconds()
			want.OfferedRate = want.ActualRate
			for k, n := range keys {
				name := strconv.Itoa(k)
				want.Hot = append(want.Hot, policy.HotKey{Name: name, Hash: stream.Hash(name), Count: n})
			}
			slices.SortFunc(want.Hot, func(a, b policy.HotKey) int {
				if a.Count != b.Count {
					return int(b.Count - a.Count)
				}
				if a.Hash < b.Hash {
					return -1
				}
				return 1
			})
			for p, n := range pairs {
				want.Realised = append(want.Realised, policy.RealisedShare{Hash: stream.Hash(strconv.Itoa(p[0])), Worker: p[1], Count: n})
			}
			policy.SortRealised(want.Realised)
			near := gocmp.Comparer(func(a, b float64) bool { return a == b || a-b < 1e-9*(1+b) && b-a < 1e-9*(1+b) })
			if diff := gocmp.Diff(want, m.Window(at), near); diff != "" {
				t.Fatalf("window %d (-want +got):\n%s", step, diff)
			}
		}
	})
}

// Goroutines count while windows are taken, and nothing is lost or counted twice.
func TestConcurrentCounting(t *testing.T) {
	const batches = 3000
	c := Config{Workers: 2, Partitioners: 2}
	m := newMeter(t, c)
	var all sync.WaitGroup
	for i := range c.Partitioners {
		all.Go(func() {
			p, b, to := m.Partitioner(i), batchOf(1, 2, 3), []partition.Dest{0, 1 | partition.Merge, 0}
			for range batches {
				p.Observe(b, to)
			}
		})
	}
	for i := range c.Workers {
		all.Go(func() {
			for range batches {
				m.Worker(i).Done(3, time.Nanosecond)
			}
		})
	}
	counted := make(chan struct{})
	go func() {
		all.Wait()
		close(counted)
	}()
	var records, slots, hot, realised int64
	add := func(w *policy.Window) {
		records += w.Records
		for _, n := range w.Slots {
			slots += n
		}
		for _, k := range w.Hot {
			hot += k.Count
		}
		for _, s := range w.Realised {
			realised += s.Count
		}
	}
	now := time.Duration(0)
	for done := false; !done; {
		select {
		case <-counted:
			done = true
		default:
		}
		now += time.Millisecond
		add(m.Window(now))
	}
	if want := int64(batches * 6); records != want || slots != want || hot != want || realised != want/3 {
		t.Errorf("%d records, %d by slot, %d by key, %d realised; want %d and a third", records, slots, hot, realised, want)
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	m := newMeter(t, Config{Workers: 4, Partitioners: 1})
	p, w, b, to := m.Partitioner(0), m.Worker(1), batchOf(1, 2, 3, 4), []partition.Dest{0, 1 | partition.Merge, 2, 3}
	count := func() {
		p.Observe(b, to)
		w.Done(4, time.Microsecond)
		w.Queue(0.5)
	}
	for i := range 4 { // both sides have room then
		count()
		m.Window(time.Duration(i))
	}
	if n := testing.AllocsPerRun(100, count); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// A program that only routes, as the examples do, links neither gRPC nor Arrow.
func TestDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-test", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name := range strings.Lines(string(out)) {
		for _, heavy := range []string{"google.golang.org/grpc", "google.golang.org/protobuf", "github.com/apache/arrow"} {
			if strings.HasPrefix(name, heavy) {
				t.Errorf("%s is linked", strings.TrimSpace(name))
			}
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	m := newMeter(b, Config{Workers: 64, Partitioners: 1})
	rng := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(rng, 1.1, 1, 1e5)
	keys := make([]int, 512)
	to := make([]partition.Dest, len(keys))
	for i := range keys {
		if keys[i] = int(zipf.Uint64()); keys[i] < 3 {
			to[i] = partition.Dest(i%8) | partition.Merge
		}
	}
	batch, p := batchOf(keys...), m.Partitioner(0)
	b.ReportAllocs()
	for b.Loop() {
		p.Observe(batch, to)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(keys)), "ns/record")
}

func BenchmarkDone(b *testing.B) {
	w := newMeter(b, Config{Workers: 64, Partitioners: 1}).Worker(0)
	for b.Loop() {
		w.Done(1, time.Microsecond)
	}
}

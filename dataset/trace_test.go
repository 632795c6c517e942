package dataset

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/policy"
)

// anyWindow draws a window with everything a trace has to survive: NaN, negative
// numbers, empty lists, keys of arbitrary bytes, with and without a route.
func anyWindow(workers int) *rapid.Generator[*policy.Window] {
	return rapid.Custom(func(t *rapid.T) *policy.Window {
		number := rapid.OneOf(rapid.Float64(), rapid.Just(math.NaN()), rapid.Just(math.Inf(1)))
		perWorker := func(label string) int { return rapid.SampledFrom([]int{0, workers}).Draw(t, label) }
		ints := func(label string, n int) []int64 { return rapid.SliceOfN(rapid.Int64(), n, n).Draw(t, label) }
		reals := func(label string, n int) []float64 { return rapid.SliceOfN(number, n, n).Draw(t, label) }
		name := rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "bytes")) })
		w := &policy.Window{
			Episode: rapid.IntRange(0, math.MaxInt32).Draw(t, "episode"), Step: rapid.Int().Draw(t, "step"),
			Partitioner: rapid.String().Draw(t, "partitioner"),
			Start:       time.Duration(rapid.Int64().Draw(t, "start")), End: time.Duration(rapid.Int64().Draw(t, "end")),
			Records: rapid.Int64().Draw(t, "records"), OfferedRate: number.Draw(t, "offered"),
			ActualRate: number.Draw(t, "actual"), Backpressured: number.Draw(t, "backpressured"),
			Counts: ints("counts", perWorker("nCounts")), Units: ints("units", perWorker("nUnits")),
			Busy: reals("busy", perWorker("nBusy")), Queue: reals("queue", perWorker("nQueue")),
			Reducer:  reals("reducer", rapid.IntRange(0, 3).Draw(t, "nReducer")),
			Slots:    ints("slots", rapid.SampledFrom([]int{0, 16}).Draw(t, "nSlots")),
			RouteNew: rapid.Bool().Draw(t, "routeNew"), Pairs: rapid.Int().Draw(t, "pairs"), FanOut: number.Draw(t, "fanOut"),
			LatencyP50: time.Duration(rapid.Int64().Draw(t, "p50")), LatencyP99: time.Duration(rapid.Int64().Draw(t, "p99")),
			LatencyMax: time.Duration(rapid.Int64().Draw(t, "max")),
		}
		for range rapid.IntRange(0, 3).Draw(t, "hot") {
			w.Hot = append(w.Hot, policy.HotKey{Name: name.Draw(t, "name"), Hash: rapid.Uint64().Draw(t, "hash"),
				Count: rapid.Int64().Draw(t, "count"), Error: rapid.Int64().Draw(t, "error")})
		}
		for range rapid.IntRange(0, 3).Draw(t, "realised") {
			w.Realised = append(w.Realised, policy.RealisedShare{Hash: rapid.Uint64().Draw(t, "hash"),
				Worker: rapid.IntRange(0, workers-1).Draw(t, "worker"), Count: rapid.Int64().Draw(t, "count")})
		}
		if rapid.Bool().Draw(t, "timed") {
			w.Times = make([]policy.Times, workers)
			for i := range w.Times {
				to := &w.Times[i]
				to.Records, to.Total, to.Scatter = rapid.Int64Min(0).Draw(t, "timed"), time.Duration(rapid.Int64Min(0).Draw(t, "took")), rapid.Float64Range(0, 1e9).Draw(t, "scatter")
				for hash := range rapid.IntRange(0, 2).Draw(t, "timed keys") {
					to.Keys = append(to.Keys, policy.KeyTime{Hash: uint64(hash), Name: name.Draw(t, "name"), Records: 1, Total: time.Duration(hash)})
				}
				for slot := range rapid.IntRange(0, min(2, len(w.Slots))).Draw(t, "timed slots") {
					to.Slots = append(to.Slots, policy.SlotTime{Slot: int32(slot), Records: 3, Total: time.Duration(slot)})
				}
			}
		}
		if rapid.Bool().Draw(t, "hasRoute") {
			w.Route = &policy.Route{Version: rapid.Uint64Max(policy.MaxVersion).Draw(t, "version"), Workers: workers, Slots: make([]uint16, 8)}
			for i := range w.Route.Slots {
				w.Route.Slots[i] = uint16(rapid.IntRange(0, workers-1).Draw(t, "slot"))
			}
			for i := range rapid.IntRange(0, 2).Draw(t, "keys") {
				k := policy.KeyRoute{Hash: uint64(i), Name: name.Draw(t, "key")}
				n := rapid.IntRange(1, workers).Draw(t, "fanOut")
				for j := range n {
					k.Workers, k.Shares = append(k.Workers, uint16(j)), append(k.Shares, 1/float64(n))
				}
				w.Route.Keys = append(w.Route.Keys, k)
			}
		}
		return w
	})
}

func sameWindows(got, want []*policy.Window) string {
	return cmp.Diff(want, got, cmpopts.EquateNaNs(), cmpopts.EquateEmpty())
}

// writeTrace writes windows to a new trace and closes it if asked.
func writeTrace(t testing.TB, path string, m Meta, windows []*policy.Window, end bool) *Writer {
	t.Helper()
	w, err := Create(path, m)
	if err != nil {
		t.Fatal(err)
	}
	for _, win := range windows {
		if err := w.Write(win); err != nil {
			t.Fatal(err)
		}
	}
	if end {
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// readTrace reads all windows of a trace up to its end or the first error.
func readTrace(path string) (windows []*policy.Window, complete bool, err error) {
	r, err := Open(path)
	if err != nil {
		return nil, false, err
	}
	defer r.Close()
	for {
		w, err := r.Next()
		if err == io.EOF {
			return windows, r.Complete(), nil
		}
		if err != nil {
			return windows, r.Complete(), err
		}
		windows = append(windows, w)
	}
}

// Traces may have a mask in their metadata; nothing is made of it.
func TestMaskMetadata(t *testing.T) {
	s := schemaOf(columnsOf(Version), &Meta{Workers: 2, Engine: "sim"})
	values := s.Metadata().Values()
	values[slices.Index(s.Metadata().Keys(), metaMask)] = `{"workers":2,"keys":[[0,1]]}`
	md := arrow.NewMetadata(s.Metadata().Keys(), values)
	m, _, err := metaOf(arrow.NewSchema(s.Fields(), &md))
	if err != nil || m != (Meta{Workers: 2, Engine: "sim"}) {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestOldVersion reads a trace that a program of format version 1 wrote.
func TestOldVersion(t *testing.T) {
	windows, complete, err := readTrace(filepath.Join("testdata", "version1.arrow"))
	if err != nil || !complete {
		t.Fatalf("complete %v, error %v", complete, err)
	}
	if diff := sameWindows(windows, smallWindows(3)); diff != "" {
		t.Error(diff)
	}
}

func TestRoundTrip(t *testing.T) {
	dir, n := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		path := filepath.Join(dir, fmt.Sprint(n, Ext))
		workers := rapid.IntRange(1, 5).Draw(rt, "workers")
		meta := Meta{Workers: workers, Seed: rapid.Uint64().Draw(rt, "seed"), Engine: "sim",
			Partitioner: rapid.String().Draw(rt, "partitioner"), Config: rapid.String().Draw(rt, "config"), Created: "now"}
		windows := rapid.SliceOfN(anyWindow(workers), 0, 4).Draw(rt, "windows")
		// Copies of the drawn windows take the trace over several batches.
		for copies := rapid.IntRange(1, 50).Draw(rt, "copies"); copies > 1 && len(windows) > 0 && len(windows) < 150; copies-- {
			windows = append(windows, windows[0])
		}
		end := rapid.Bool().Draw(rt, "closed")
		w := writeTrace(t, path, meta, windows, end)
		got, complete, err := readTrace(path)
		if err != nil || complete != end {
			rt.Fatalf("complete %v, error %v", complete, err)
		}
		if diff := sameWindows(got, windows); diff != "" {
			rt.Fatalf("windows changed (-written +read):\n%s", diff)
		}
		r, err := Open(path)
		if err != nil {
			rt.Fatal(err)
		}
		defer r.Close()
		if r.Meta() != meta {
			rt.Fatalf("metadata %+v, written %+v", r.Meta(), meta)
		}
		if !end {
			w.Close()
		}
		if _, err := os.Stat(path + TailExt); err == nil {
			rt.Fatal("the tail outlived the close")
		}
	})
}

// sampleWindow is like what a word count at P workers gives: Zipf 1.5 over 10,000
// keys.
func sampleWindow(rng *rand.Rand, workers, i int, route *policy.Route) *policy.Window {
	w := &policy.Window{
		Episode: i / 128, Step: i % 128, Partitioner: "dalton-offline",
		Start: time.Duration(i) * time.Second, End: time.Duration(i+1) * time.Second,
		Records: 50000, OfferedRate: 50000, ActualRate: 49000 + 1000*rng.Float64(), Route: route,
		Counts: make([]int64, workers), Units: make([]int64, workers), Busy: make([]float64, workers),
		Queue: make([]float64, workers), Reducer: []float64{rng.Float64(), rng.Float64()},
		Slots: make([]int64, policy.SlotCount(workers)), Pairs: 10000 + rng.IntN(100), FanOut: 1 + rng.Float64(),
		LatencyP50: time.Millisecond, LatencyP99: 20 * time.Millisecond, LatencyMax: 25 * time.Millisecond,
	}
	zipf := rand.NewZipf(rng, 1.5, 1, 9999)
	counts := make([]int64, 10000)
	for range w.Records {
		k := zipf.Uint64()
		counts[k]++
		w.Slots[policy.SlotOf(keyHash(k), len(w.Slots))]++
	}
	for p := range workers {
		w.Counts[p] = w.Records/int64(workers) + int64(rng.IntN(100))
		w.Units[p] = w.Counts[p]
		w.Busy[p] = 0.5 + 0.4*rng.Float64()
		w.Queue[p] = rng.Float64()
	}
	for k := range 64 {
		w.Hot = append(w.Hot, policy.HotKey{Name: fmt.Sprintf("word%d", k), Hash: keyHash(uint64(k)), Count: counts[k]})
	}
	for k := range 10 {
		for p := range min(workers, 12) {
			w.Realised = append(w.Realised, policy.RealisedShare{Hash: keyHash(uint64(k)), Worker: p, Count: int64(rng.IntN(200))})
		}
	}
	return w
}

func keyHash(k uint64) uint64 { return rand.NewPCG(k, 1).Uint64() }

func sampleWindows(workers, n int) []*policy.Window {
	rng := rand.New(rand.NewPCG(1, 2))
	out := make([]*policy.Window, n)
	for i := range out {
		out[i] = sampleWindow(rng, workers, i, policy.HashRoute(workers))
	}
	return out
}

func TestSameWindowsGiveSameBytes(t *testing.T) {
	windows := sampleWindows(8, 70)
	read := func(name string) []byte {
		path := filepath.Join(t.TempDir(), name)
		writeTrace(t, path, Meta{Workers: 8, Seed: 7, Engine: "sim"}, windows, true)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	a, b := read("a.arrow"), read("b.arrow")
	if !bytes.Equal(a, b) {
		t.Fatalf("two traces of the same windows differ: %d and %d bytes", len(a), len(b))
	}
}

// TestSize holds the format to what FORMAT.md promises at P 64.
func TestSize(t *testing.T) {
	const n = 128
	path := filepath.Join(t.TempDir(), "x.arrow")
	writeTrace(t, path, Meta{Workers: 64, Engine: "sim"}, sampleWindows(64, n), true)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes per window", info.Size()/n)
	if perWindow := info.Size() / n; perWindow > 5000 {
		t.Errorf("%d bytes per window at P 64; FORMAT.md promises less than 5000", perWindow)
	}
}

func TestRouteIsShared(t *testing.T) {
	windows := sampleWindows(4, 3)
	other := *windows[2].Route
	other.Version++
	windows[2].Route = &other
	path := filepath.Join(t.TempDir(), "x.arrow")
	writeTrace(t, path, Meta{Workers: 4}, windows, true)
	got, _, err := readTrace(path)
	if err != nil {
		t.Fatal(err)
	}
	if got[0].Route != got[1].Route {
		t.Error("windows under one route have a copy each")
	}
	if got[1].Route == got[2].Route {
		t.Error("windows under two routes share one")
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, workers := range []int{8, 64} {
		b.Run(fmt.Sprintf("P=%d", workers), func(b *testing.B) {
			windows := sampleWindows(workers, 64)
			w, err := Create(filepath.Join(b.TempDir(), "x.arrow"), Meta{Workers: workers})
			if err != nil {
				b.Fatal(err)
			}
			for i := 0; b.Loop(); i++ {
				if err := w.Write(windows[i%len(windows)]); err != nil {
					b.Fatal(err)
				}
			}
			w.Close()
		})
	}
}

func BenchmarkRead(b *testing.B) {
	path := filepath.Join(b.TempDir(), "x.arrow")
	writeTrace(b, path, Meta{Workers: 64}, sampleWindows(64, 256), true)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		windows, _, err := readTrace(path)
		if err != nil {
			b.Fatal(err)
		}
		n += len(windows)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/window")
}

package dataset

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/policy"
)

// randomTrace draws a trace of a few episodes at P workers in which hot keys go to
// random workers.
func randomTrace(rt *rapid.T, workers int) []*policy.Window {
	var windows []*policy.Window
	seed := rapid.Uint64().Draw(rt, "traffic")
	rng := rand.New(rand.NewPCG(seed, 1))
	for e := range rapid.IntRange(1, 6).Draw(rt, "episodes") {
		step := 0
		for range rapid.IntRange(1, 6).Draw(rt, "windows") {
			w := &policy.Window{Episode: e, Step: step, Counts: make([]int64, workers), Busy: make([]float64, workers)}
			step += 1 + rng.IntN(10)/9
			for k := range 4 {
				n := int64(1000/(k+1) + rng.IntN(300))
				w.Hot = append(w.Hot, policy.HotKey{Hash: uint64(k + 1), Count: n})
				w.Records += n
				for p := range workers {
					c := rng.Int64N(n/int64(workers) + 1)
					if p == k%workers {
						c = max(c, 1) // a key with records but without workers would be left out
					}
					if c > 0 {
						w.Realised = append(w.Realised, policy.RealisedShare{Hash: uint64(k + 1), Worker: p, Count: c})
						w.Counts[p] += c
					}
				}
			}
			for p := range workers {
				w.Busy[p] = rng.Float64() * 1.05
			}
			windows = append(windows, w)
		}
	}
	return windows
}

// TestStores checks that where transitions are kept, how files are ordered and how
// traces are cut into files changes nothing, against a naive reading.
func TestStores(t *testing.T) {
	dir, n := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		workers := rapid.IntRange(1, 6).Draw(rt, "workers")
		var files []string
		var traces [][]*policy.Window
		for range rapid.IntRange(1, 3).Draw(rt, "files") {
			n++
			path := filepath.Join(dir, fmt.Sprintf("%06d%s", n, Ext))
			windows := randomTrace(rt, workers)
			writeTrace(t, path, Meta{Workers: workers}, windows, true)
			files, traces = append(files, path), append(traces, windows)
		}
		config := DefaultTransitions()
		config.HotKeys, config.Inside, config.Mask.TrueHot = 4, 0, 3
		config.Rank = rapid.SampledFrom([]Ranking{ByEpisode, ByWindow}).Draw(rt, "rank")
		config.Observation = rapid.SampledFrom([]policy.ObservationForm{policy.AdaptiveObservation, policy.PublishedObservation}).Draw(rt, "observation")
		config.Published = config.Observation == policy.PublishedObservation && rapid.Bool().Draw(rt, "published")
		config.HeldOut = rapid.Float64Range(0, 0.9).Draw(rt, "held out")
		l := Load{Config: config, Files: files, Seed: rapid.Uint64().Draw(rt, "seed")}
		memory, err := l.Do(context.Background())
		if err != nil {
			if strings.Contains(err.Error(), "no transition to train on") {
				return // every pair of windows is in a held-out episode
			}
			rt.Fatal(err)
		}
		defer memory.Close()
		l.Config.MemoryMB, l.Files = 0, slices.Concat(files[1:], files)
		disk, err := l.Do(context.Background())
		if err != nil {
			rt.Fatal(err)
		}
		defer disk.Close()
		normal := memory.Stats.Normal()
		for range 2 {
			if diff := cmp.Diff(all(t, memory.Train), all(t, disk.Train)) + cmp.Diff(all(t, memory.HeldOut), all(t, disk.HeldOut)); diff != "" {
				rt.Fatalf("on disk they differ (-memory +disk):\n%s", diff)
			}
			a, b := NewColumns(7, memory.Train.Widths()), NewColumns(7, memory.Train.Widths())
			seed := func() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }
			if memory.Train.Sample(seed(), a) != nil || disk.Train.Sample(seed(), b) != nil || !reflect.DeepEqual(a, b) {
				rt.Fatal("samples from memory and disk differ")
			}
			if memory.Normalise(normal) == nil {
				checkNormal(rt, all(t, memory.Train))
				if disk.Normalise(normal) != nil {
					rt.Fatal("disk refuses")
				}
			}
		}
		if disk.Normalise(normal) == nil {
			rt.Fatal("normalised twice")
		}
		checkNaive(rt, memory, traces, config)
	})
}

// checkNormal checks that each number of the observations has mean 0 and variance 1,
// or 0 if it is constant. Means are float32: of numbers that hardly differ, what one is
// rounded by is some ten thousandths of what they differ by.
func checkNormal(rt *rapid.T, c *Columns) {
	width := len(c.Obs) / c.Rows()
	for j := range width {
		mean, sq := 0.0, 0.0
		for i := range c.Rows() {
			v := float64(c.Obs[i*width+j])
			mean += v / float64(c.Rows())
			sq += v * v / float64(c.Rows())
		}
		if math.Abs(mean) > 1e-3 || math.Abs(sq-1) > 1e-2 && math.Abs(sq) > 1e-4 {
			rt.Fatalf("number %d of normalised observations has mean %v and mean square %v", j, mean, sq)
		}
	}
}

// checkNaive checks counts, rewards and the split against the windows themselves.
func checkNaive(rt *rapid.T, tr *Transitions, traces [][]*policy.Window, c TransitionConfig) {
	var rewards []float32
	episodes := 0
	for _, windows := range traces {
		for i, w := range windows {
			if i == 0 || w.Episode != windows[i-1].Episode {
				episodes++
			} else if w.Step == windows[i-1].Step+1 {
				rewards = append(rewards, float32(policy.Reward(policy.Perf(w.Busy), c.P0)))
			}
		}
	}
	train, held := all(rt, tr.Train), all(rt, tr.HeldOut)
	got := slices.Concat(train.Reward, held.Reward)
	slices.Sort(got)
	slices.Sort(rewards)
	if !slices.Equal(got, rewards) {
		rt.Fatalf("rewards %v, want %v; left out: %v, mask %v", got, rewards, tr.Skipped, tr.Mask)
	}
	if tr.Episodes != episodes {
		rt.Fatalf("%d episodes, want %d", tr.Episodes, episodes)
	}
	want := min(int(math.Floor(c.HeldOut*float64(episodes)+0.5)), episodes-1)
	if c.HeldOut > 0 && episodes > 1 && want == 0 {
		want = 1
	}
	if tr.HeldOutEpisodes != want {
		rt.Fatalf("%d of %d episodes held out of %v", tr.HeldOutEpisodes, episodes, c.HeldOut)
	}
	for _, part := range []*Columns{train, held} {
		least := float32(-1)
		if c.Published {
			least = 0
		}
		for _, a := range part.Act {
			if a < least || a > 1 {
				rt.Fatalf("action %v", a)
			}
		}
		for i := range part.Rows() {
			if want := part.Truncated[i]; c.Published && part.Terminal[i] != want || !c.Published && part.Terminal[i] != 0 {
				rt.Fatalf("row %d: terminal %v, truncated %v", i, part.Terminal[i], want)
			}
		}
	}
}

// TestSpillLeavesNothing checks that the file of transitions has no name that could
// outlive the process.
func TestSpillLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	told := at(keyA, 0, 60)
	path := put(t, smallMeta, handWindow(0, 0, [2]int64{1, 2}, [2]float64{0, 0}, told, at(keyB, 0, 1)), handWindow(0, 1, [2]int64{1, 2}, [2]float64{0, 0}, told, at(keyB, 0, 1)))
	config := handConfig()
	config.MemoryMB = 0
	tr := load(t, Load{Config: config, Files: []string{path}, Dir: dir})
	if left, _ := os.ReadDir(dir); len(left) != 0 || tr.Train.file == nil {
		t.Errorf("%d files, in memory: %v", len(left), tr.Train.file == nil)
	}
	if _, err := (Load{Config: config, Files: []string{path}, Dir: filepath.Join(dir, "none")}).Do(context.Background()); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func TestSample(t *testing.T) {
	s := newStore(Widths{Obs: 1, Act: 1}, 3)
	dst := NewColumns(3000, s.Widths())
	rng := rand.New(rand.NewPCG(1, 1))
	if s.Sample(rng, dst) == nil {
		t.Error("sampled from an empty store")
	}
	for i := range 3 {
		if err := s.append(&Row{Obs: []float32{float32(i)}, Act: []float32{0}, Next: []float32{0}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Sample(rng, dst); err != nil {
		t.Fatal(err)
	}
	var seen [3]int
	for _, v := range dst.Obs {
		seen[int(v)]++
	}
	for i, n := range seen {
		if n < 900 || n > 1100 { // 3.9 standard deviations
			t.Errorf("row %d was drawn %d times of 3000", i, n)
		}
	}
	if s.Read([]int{3}, NewColumns(1, s.Widths())) == nil || s.Read([]int{0}, NewColumns(2, s.Widths())) == nil {
		t.Error("read a row that is not there, or one into two")
	}
	dst.Truncated = nil // a trainer's batch has none
	if allocs := testing.AllocsPerRun(10, func() { s.Sample(rng, dst) }); allocs != 0 {
		t.Errorf("%v allocations per batch", allocs)
	}
}

// BenchmarkLoad is what a window costs that becomes a transition; against
// BenchmarkRead it is at least 2, as every trace is read twice.
func BenchmarkLoad(b *testing.B) {
	const n = 512
	for _, workers := range []int{8, 64} {
		path := filepath.Join(b.TempDir(), fmt.Sprint(workers)+Ext)
		writeTrace(b, path, Meta{Workers: workers}, sampleWindows(workers, n), true)
		config := DefaultTransitions()
		config.Mask.TrueHot, config.Inside = 10, 0
		for name, memory := range map[string]int{"memory": 1024, "disk": 0} {
			config.MemoryMB = memory
			b.Run(fmt.Sprintf("P=%d/%s", workers, name), func(b *testing.B) {
				for b.Loop() {
					tr, err := (Load{Config: config, Files: []string{path}}).Do(context.Background())
					if err != nil {
						b.Fatal(err)
					}
					tr.Close()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/window")
			})
		}
	}
}

// BenchmarkSample is what a batch of 128 costs, at the widths of 64 workers.
func BenchmarkSample(b *testing.B) {
	w := Widths{Obs: 128, Act: 73}
	disk, err := newSpilled(w, b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer disk.Close()
	for name, s := range map[string]*Store{"memory": newStore(w, 10_000), "disk": disk} {
		row := newRow(w)
		for range 10_000 {
			if err := s.append(&row); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(name, func(b *testing.B) {
			rng, dst := rand.New(rand.NewPCG(1, 1)), NewColumns(128, w)
			for b.Loop() {
				if err := s.Sample(rng, dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

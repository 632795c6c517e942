package registry

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/routertest"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// rivals are the partitioners that follow a published rule and keep state.
func rivals() []string {
	return []string{"cam", "dagreedy", "flexd", "dalton-original", "dalton-metrics", "dalton-offline", "fish"}
}

// routerOf makes the router of a registered partitioner with its default options.
func routerOf(t testing.TB, name string, published bool, env partition.Env) partition.Router {
	t.Helper()
	c := Default()
	c.Name, c.Published = name, published
	s, err := New(c, env.Workers)
	if err != nil {
		t.Fatal(err)
	}
	return s.NewRouter(env)
}

func TestRivalsBalanceBetterThanHash(t *testing.T) {
	const p = 16
	batches := routertest.ZipfBatches(160, 1000, 10000, 1.5, 7)
	hash, _ := drive(routerOf(t, "hash", false, routertest.Env(p)), batches, 20, p, 4)
	for _, c := range []struct {
		name string
		most float64 // of the mean
		why  string
	}{
		{"cam", 6.4, "a key is never split: little better than hash, where the heaviest key alone is 6.1 times the mean"},
		{"dagreedy", 1.7, "a worker with the key may be a mean load above the lightest"},
		{"flexd", 1.1, "38 rises of the bar are more than 16 workers"},
		{"dalton-original", 2, "at most 6 workers for a key that needs 6.1"},
		{"dalton-metrics", 5, "its view of the load is a window old"},
		{"dalton-offline", 1.3, "every record is rated at once"},
		{"fish", 1.1, "the hottest key uses all workers"},
	} {
		for _, published := range []bool{false, true} {
			counts, _ := drive(routerOf(t, c.name, published, routertest.Env(p)), batches, 20, p, 4)
			if got := routertest.Skew(counts); got >= routertest.Skew(hash) || !published && got > c.most {
				t.Errorf("%s, published %v: the largest load is %.2f of the mean, want at most %v and less than hash's %.2f: %s",
					c.name, published, got, c.most, routertest.Skew(hash), c.why)
			}
		}
	}
}

func TestRivalsAreDeterministic(t *testing.T) {
	batches := routertest.ZipfBatches(24, 500, 1000, 1.2, 3)
	for _, name := range rivals() {
		env := routertest.Env(12)
		_, a := drive(routerOf(t, name, false, env), batches, 4, 12, 0)
		_, b := drive(routerOf(t, name, false, env), batches, 4, 12, 0)
		if !slices.Equal(a, b) {
			t.Errorf("%s: the same seed gave other destinations", name)
		}
		if !strings.HasPrefix(name, "dalton") {
			continue
		}
		env.Seed++
		if _, b = drive(routerOf(t, name, false, env), batches, 4, 12, 0); slices.Equal(a, b) {
			t.Errorf("%s: another seed gave the same destinations", name)
		}
		env.Seed, env.Subtask = env.Seed-1, 1
		if _, b = drive(routerOf(t, name, false, env), batches, 4, 12, 0); slices.Equal(a, b) {
			t.Errorf("%s: two subtasks draw the same random numbers", name)
		}
	}
}

// TestRivalsMarkWhatHasToBeMerged checks the promise of Merge: a record that goes
// elsewhere than an earlier record of its key within an aggregation window is
// marked. The keys drift, so that some heat up and others cool down.
func TestRivalsMarkWhatHasToBeMerged(t *testing.T) {
	const p, perSlide = 9, 2
	batches := routertest.ZipfBatches(120, 300, 60, 1.3, 11)
	for i := range batches {
		for j := range batches[i].Hashes {
			// The ranks of the keys move on every 20 batches.
			h := batches[i].Hashes[j] + uint64(i/20)
			batches[i].Hashes[j], batches[i].Records[j].Hash = h, h
			batches[i].Records[j].Key = fmt.Sprint(h)
		}
	}
	for _, name := range rivals() {
		for _, published := range []bool{false, true} {
			for _, slides := range []int{1, 3} {
				env := routertest.Env(p)
				env.WindowSlides = slides
				_, all := drive(routerOf(t, name, published, env), batches, perSlide, p, 0)
				type visit struct{ worker, slide int }
				visits, marked := map[uint64][]visit{}, 0
				for i, d := range all {
					batch, slide := i/300, i/300/perSlide
					h := batches[batch].Hashes[i%300]
					if d&partition.Merge != 0 {
						marked++
						visits[h] = append(visits[h], visit{d.Worker(), slide})
						continue
					}
					for _, v := range visits[h] {
						if slide-v.slide < slides && v.worker != d.Worker() {
							t.Fatalf("%s, published %v, %d slides: in slide %d key %d goes to %d unmarked; in slide %d it went to %d",
								name, published, slides, slide, h, d.Worker(), v.slide, v.worker)
						}
					}
					visits[h] = append(visits[h], visit{d.Worker(), slide})
				}
				if (marked == 0) != (name == "cam") {
					t.Errorf("%s, published %v: %d of %d records are marked", name, published, marked, len(all))
				}
			}
		}
	}
}

func TestRivalsAllocateNothingInSteadyState(t *testing.T) {
	const p = 64
	batches := routertest.ZipfBatches(40, 1000, 10000, 1.5, 5)
	dst := make([]partition.Dest, 1000)
	for _, name := range rivals() {
		r := routerOf(t, name, false, routertest.Env(p))
		drive(r, batches, 4, p, 0)
		slide := int64(10)
		if allocs := testing.AllocsPerRun(10, func() {
			for i := range 4 {
				r.Route(&batches[(int(slide)*4+i)%len(batches)], dst)
			}
			if name != "dalton-offline" {
				r.EndSlide(slide)
			}
			slide++
		}); allocs != 0 {
			t.Errorf("%s: %v allocations per slide of four batches", name, allocs)
		}
	}
}

func TestRivalsRouteAtAnySize(t *testing.T) {
	for _, p := range []int{1, 2, 3, 63, 64, 65, 257} {
		batches := routertest.ZipfBatches(24, 200, 500, 1.5, 13)
		for _, name := range rivals() {
			for _, published := range []bool{false, true} {
				r := routerOf(t, name, published, routertest.Env(p))
				r.Route(&stream.Batch{}, nil)
				_, all := drive(r, batches, 3, p, 0) // a worker out of range would panic here
				if p > 1 {
					continue
				}
				for _, d := range all {
					if d.Worker() != 0 {
						t.Fatalf("%s: one worker, and a record went to %d", name, d.Worker())
					}
				}
			}
		}
	}
}

// drive routes batches, perSlide of them in each slide, and hands learners a
// window per slide in which busy ratios follow the counts. It returns the records
// sent to each worker, from slide skip on, and all destinations.
func drive(r partition.Router, batches []stream.Batch, perSlide, workers, skip int) ([]float64, []partition.Dest) {
	counts, all := make([]float64, workers), []partition.Dest(nil)
	slide := make([]int64, workers)
	for i := range batches {
		dst := make([]partition.Dest, len(batches[i].Hashes))
		r.Route(&batches[i], dst)
		all = append(all, dst...)
		for _, d := range dst {
			slide[d.Worker()]++
			if i/perSlide >= skip {
				counts[d.Worker()]++
			}
		}
		if (i+1)%perSlide != 0 {
			continue
		}
		r.EndSlide(int64(i / perSlide))
		if l, ok := r.(partition.Learner); ok {
			l.Observe(windowOf(slide))
		}
		clear(slide)
	}
	return counts, all
}

// windowOf is a window of one second in which workers of equal speed finished
// these counts, the busiest of them all the time.
func windowOf(counts []int64) *policy.Window {
	w := &policy.Window{End: 1e9, Counts: append([]int64(nil), counts...), Busy: make([]float64, len(counts))}
	most := int64(1)
	for _, c := range counts {
		most = max(most, c)
	}
	for i, c := range counts {
		w.Busy[i] = float64(c) / float64(most)
	}
	return w
}

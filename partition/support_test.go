package partition

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"time"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// zipfWeights are the probabilities of n keys with exponent z, heaviest first.
func zipfWeights(n int, z float64) []float64 {
	w := make([]float64, n)
	sum := 0.0
	for i := range w {
		w[i] = math.Pow(float64(i+1), -z)
		sum += w[i]
	}
	for i := range w {
		w[i] /= sum
	}
	return w
}

// zipfBatches are count batches of size records of a zipf stream over keys keys.
func zipfBatches(count, size, keys int, z float64, seed uint64) []stream.Batch {
	names, hashes := testKeys(keys)
	cumulated := zipfWeights(keys, z)
	for i := 1; i < keys; i++ {
		cumulated[i] += cumulated[i-1]
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	out := make([]stream.Batch, count)
	for i := range out {
		out[i].Resize(size)
		for j := range out[i].Records {
			k := min(sort.SearchFloat64s(cumulated, rng.Float64()), keys-1)
			out[i].Records[j] = stream.Record{Key: names[k], Hash: hashes[k]}
			out[i].Hashes[j] = hashes[k]
		}
	}
	return out
}

// testKeys are n keys, by rank, and their hashes.
func testKeys(n int) (names []string, hashes []uint64) {
	names, hashes = make([]string, n), make([]uint64, n)
	for i := range names {
		names[i] = fmt.Sprintf("key-%05d", i)
		hashes[i] = stream.Hash(names[i])
	}
	return names, hashes
}

// batchOf is a batch of records with the given hashes.
func batchOf(hashes []uint64) *stream.Batch {
	b := &stream.Batch{}
	b.Resize(len(hashes))
	for i, h := range hashes {
		b.Hashes[i] = h
		b.Records[i] = stream.Record{Key: fmt.Sprint(h), Hash: h}
	}
	return b
}

// testEnv is the job of most tests: one subtask, four slides to the window.
func testEnv(workers int) Env {
	return Env{Workers: workers, Subtasks: 1, Slide: 250 * time.Millisecond, WindowSlides: 4, MetricSlides: 4, Seed: 1}
}

// threeTiers is a route like those a planner makes for a zipf stream: keys
// heavier than a worker's room split over several, four per worker placed, the
// slots dealt out.
func threeTiers(workers, keys int, z float64) *policy.Route {
	r := policy.HashRoute(workers)
	names, hashes := testKeys(keys)
	room := 1 / float64(workers)
	at := 0
	for i, p := range zipfWeights(10000, z)[:min(keys, 4*workers+16)] {
		k := policy.KeyRoute{Hash: hashes[i], Name: names[i]}
		n := min(1+int(p/room), workers)
		first := at % workers
		for j := range n {
			k.Workers = append(k.Workers, uint16((first+j)%workers))
		}
		sort.Slice(k.Workers, func(a, b int) bool { return k.Workers[a] < k.Workers[b] })
		sum := 0.0
		for j := range n {
			k.Shares = append(k.Shares, 1+0.3*math.Sin(float64(i+7*j)))
			sum += k.Shares[j]
		}
		for j := range n {
			k.Shares[j] /= sum
		}
		at += n
		r.Keys = append(r.Keys, k)
	}
	return r
}

// sentTo routes records of these keys in one slide and returns their workers.
func sentTo(r Router, hashes ...uint64) []int {
	dst := make([]Dest, len(hashes))
	r.Route(batchOf(hashes), dst)
	out := make([]int, len(dst))
	for i, d := range dst {
		out[i] = d.Worker()
	}
	return out
}

// drive routes batches, perSlide of them in each slide, and hands learners a
// window per slide in which busy ratios follow the counts. It returns the records
// sent to each worker, from slide skip on, and all destinations.
func drive(r Router, batches []stream.Batch, perSlide, workers, skip int) ([]float64, []Dest) {
	counts, all := make([]float64, workers), []Dest(nil)
	slide := make([]int64, workers)
	for i := range batches {
		dst := make([]Dest, len(batches[i].Hashes))
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
		if l, ok := r.(Learner); ok {
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

// skew is the largest load over the mean.
func skew(counts []float64) float64 {
	most, sum := 0.0, 0.0
	for _, c := range counts {
		most, sum = max(most, c), sum+c
	}
	return most / (sum / float64(len(counts)))
}

// repeat is n times the key.
func repeat(key uint64, n int) []uint64 {
	out := make([]uint64, n)
	for i := range out {
		out[i] = key
	}
	return out
}

// Package routertest has what the tests of several partitioners need: streams, routes, and
// how to drive a router.
package routertest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"time"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// ZipfWeights are the probabilities of n keys with exponent z, heaviest first.
func ZipfWeights(n int, z float64) []float64 {
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

// ZipfBatches are count batches of size records of a zipf stream over keys keys.
func ZipfBatches(count, size, keys int, z float64, seed uint64) []stream.Batch {
	names, hashes := Keys(keys)
	cumulated := ZipfWeights(keys, z)
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

// Keys are n keys, by rank, and their hashes.
func Keys(n int) (names []string, hashes []uint64) {
	names, hashes = make([]string, n), make([]uint64, n)
	for i := range names {
		names[i] = fmt.Sprintf("key-%05d", i)
		hashes[i] = stream.Hash(names[i])
	}
	return names, hashes
}

// BatchOf is a batch of records with the given hashes.
func BatchOf(hashes []uint64) *stream.Batch {
	b := &stream.Batch{}
	b.Resize(len(hashes))
	for i, h := range hashes {
		b.Hashes[i] = h
		b.Records[i] = stream.Record{Key: fmt.Sprint(h), Hash: h}
	}
	return b
}

// Env is the job of most tests: one subtask, four slides to the window.
func Env(workers int) partition.Env {
	return partition.Env{Workers: workers, Subtasks: 1, Slide: 250 * time.Millisecond, WindowSlides: 4, MetricSlides: 4, Seed: 1}
}

// ThreeTiers is a route like those a planner makes for a zipf stream: keys
// heavier than a worker's capacity split over several, four per worker placed, the
// slots dealt out.
func ThreeTiers(workers, keys int, z float64) *policy.Route {
	r := policy.HashRoute(workers)
	names, hashes := Keys(keys)
	capacity := 1 / float64(workers)
	at := 0
	for i, p := range ZipfWeights(10000, z)[:min(keys, 4*workers+16)] {
		k := policy.KeyRoute{Hash: hashes[i], Name: names[i]}
		n := min(1+int(p/capacity), workers)
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

// SentTo routes records of these keys in one slide and returns their workers.
func SentTo(r partition.Router, hashes ...uint64) []int {
	dst := make([]partition.Dest, len(hashes))
	r.Route(BatchOf(hashes), dst)
	out := make([]int, len(dst))
	for i, d := range dst {
		out[i] = d.Worker()
	}
	return out
}

// Drive routes batches, perSlide of them in each slide, and hands learners a
// window per slide in which busy ratios follow the counts. It returns the records
// sent to each worker, from slide skip on, and all destinations.
func Drive(r partition.Router, batches []stream.Batch, perSlide, workers, skip int) ([]float64, []partition.Dest) {
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
			l.Observe(WindowOf(slide))
		}
		clear(slide)
	}
	return counts, all
}

// WindowOf is a window of one second in which workers of equal speed finished
// these counts, the busiest of them all the time.
func WindowOf(counts []int64) *policy.Window {
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

// Skew is the largest load over the mean.
func Skew(counts []float64) float64 {
	most, sum := 0.0, 0.0
	for _, c := range counts {
		most, sum = max(most, c), sum+c
	}
	return most / (sum / float64(len(counts)))
}

// Repeat is n times the key.
func Repeat(key uint64, n int) []uint64 {
	out := make([]uint64, n)
	for i := range out {
		out[i] = key
	}
	return out
}

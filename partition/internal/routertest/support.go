// Package routertest has what the tests of several partitioners need: streams, routes, and
// how to drive a router.
package routertest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"time"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// ZipfBatches are count batches of size records of a zipf stream over keys keys.
func ZipfBatches(count, size, keys int, z float64, seed uint64) []stream.Batch {
	names, hashes := Keys(keys)
	cumulated := stream.ZipfPMF(keys, z)
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
	for i, p := range stream.ZipfPMF(10000, z)[:min(keys, 4*workers+16)] {
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
	return slices.Repeat([]uint64{key}, n)
}

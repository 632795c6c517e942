//go:build torch

package shares

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/nn"
)

// noiseSource fills batches with random transitions.
type noiseSource struct{}

func (noiseSource) Sample(rng *rand.Rand, b *train.Batch) error {
	for _, v := range [][]float32{b.Obs, b.Act, b.Reward, b.Next} {
		for i := range v {
			v[i] = 2*rng.Float32() - 1
		}
	}
	return nil
}

// sameSource leaves the batch as it is, so that drawing it costs nothing.
type sameSource struct{}

func (sameSource) Sample(*rand.Rand, *train.Batch) error { return nil }

// SaSPartitioner's sizes (docs/algorithms.md, "Published settings").
var sizes = []struct {
	workers int
	dims    train.Dims
}{{8, train.Dims{Obs: 16, Act: 17}}, {64, train.Dims{Obs: 128, Act: 73}}}

// BenchmarkUpdate measures updates, and in turns of four the limit: the same matrix
// products and nothing else, every member's whole product at once, on as many threads
// side by side. "of-limit" is the ratio of the two. Times are those that a tenth of
// the runs stay below, so that other programs on the machine matter little;
// "of-limit-cpu" is the ratio of all CPU time used.
func BenchmarkUpdate(b *testing.B) {
	for _, size := range sizes {
		for _, algorithm := range []train.Algorithm{train.SACN, train.CQL} {
			for _, threads := range []int{1, 2} {
				b.Run(fmt.Sprintf("P%d/%s/threads%d", size.workers, algorithm, threads), func(b *testing.B) {
					cfg := train.Reference()
					cfg.Algorithm, cfg.Threads = algorithm, threads
					t, err := newTrainer(cfg, size.dims, 1)
					if err != nil {
						b.Fatal(err)
					}
					products := newProducts(cfg, size.dims, threads)
					if _, err := t.Update(noiseSource{}); err != nil {
						b.Fatal(err)
					}
					var update, limit cost
					for range b.N {
						for range 4 {
							update.add(func() {
								if _, err := t.Update(sameSource{}); err != nil {
									b.Fatal(err)
								}
							})
						}
						for range 4 {
							limit.add(products.run)
						}
					}
					u, l := update.best(), limit.best()/time.Duration(threads)
					b.ReportMetric(1/u.Seconds(), "updates/s")
					b.ReportMetric(1/l.Seconds(), "limit/s")
					b.ReportMetric(l.Seconds()/u.Seconds(), "of-limit")
					b.ReportMetric(products.flops/l.Seconds()/1e9, "limit-GFLOP/s")
					b.ReportMetric(limit.cpu.Seconds()/float64(threads)/update.cpu.Seconds(), "of-limit-cpu")
				})
			}
		}
	}
}

// cost collects wall and CPU times.
type cost struct {
	wall []time.Duration
	cpu  time.Duration
}

func (c *cost) add(f func()) {
	wall, cpu := time.Now(), cpuTime()
	f()
	c.wall = append(c.wall, time.Since(wall))
	c.cpu += cpuTime() - cpu
}

// best is the wall time that a tenth of the runs stay below.
func (c *cost) best() time.Duration {
	slices.Sort(c.wall)
	return c.wall[len(c.wall)/10]
}

// cpuTime is what the process has used so far, on all threads.
func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// products are the matrix products that one update can't do without.
type products struct {
	threads int
	flops   float64
	lists   [][]func() // for each thread, with memory of its own
}

func newProducts(cfg train.Config, d train.Dims, threads int) *products {
	p := &products{threads: threads}
	for range threads {
		var list []func()
		p.flops = 0
		add := func(times, m, k, n int, opA, opB nn.Op) {
			a, b := nn.Mat(make([]float32, m*k), m, k), nn.Mat(make([]float32, k*n), k, n)
			if opA {
				a.Rows, a.Cols, a.Stride = k, m, m
			}
			if opB {
				b.Rows, b.Cols, b.Stride = n, k, k
			}
			c := nn.Mat(make([]float32, m*n), m, n)
			for range times {
				list = append(list, func() { nn.Gemm(c, a, opA, b, opB, 0) })
				p.flops += 2 * float64(m) * float64(k) * float64(n)
			}
		}
		h := cfg.Hidden
		// net is the products of a network's passes: forward, by weights, by inputs.
		net := func(times, states, rep, shared, own, out int, weights, inputs, actions bool) {
			rows := states * rep
			pass := func(rows, in, out int, back bool) {
				add(times, rows, in, out, nn.AsIs, nn.AsIs)
				if weights {
					add(times, in, rows, out, nn.Transposed, nn.AsIs)
				}
				if back {
					add(times, rows, out, in, nn.AsIs, nn.Transposed)
				}
			}
			pass(states, shared, h[0], false)
			if own > 0 {
				pass(rows, own, h[0], actions)
			}
			pass(rows, h[0], h[1], inputs)
			pass(rows, h[1], out, inputs)
		}
		rep := 1
		if cfg.Algorithm == train.CQL {
			rep += 3 * cfg.CQL.Actions
		}
		net(1, cfg.Batch, 1, d.Obs, 0, 2*d.Act, true, true, false)           // policy at s
		net(1, cfg.Batch, 1, d.Obs, 0, 2*d.Act, false, false, false)         // policy at s'
		net(cfg.Critics, cfg.Batch, 1, d.Obs, d.Act, 1, false, false, false) // targets
		net(cfg.Critics, cfg.Batch, rep, d.Obs, d.Act, 1, true, true, false) // critics
		net(cfg.Critics, cfg.Batch, 1, d.Obs, d.Act, 1, false, true, true)   // for the policy
		p.lists = append(p.lists, list)
	}
	return p
}

// run does every thread's list at once: threads updates' worth.
func (p *products) run() {
	var all sync.WaitGroup
	for _, list := range p.lists {
		all.Go(func() {
			for _, product := range list {
				product()
			}
		})
	}
	all.Wait()
}

package plan

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/saspart/saspart/policy"
)

// costJob is a job whose workers time records: 8 workers, 4,096 slots, keys that differ in
// cost, of which the heaviest are listed.
type costJob struct {
	rng    *rand.Rand
	keys   []costKey
	speeds []float64
	sample float64 // part of the records that are timed
	single float64 // relative standard deviation of the time of one record
	where  func(key int) []int
	listed [8]map[uint64]bool // keys that took longest in the last window, by worker
}

type costKey struct {
	hash    uint64
	records float64 // per window
	cost    float64 // ns at speed 1
}

func newCostJob(seed uint64, spread float64) *costJob {
	j := &costJob{rng: rand.New(rand.NewPCG(seed, 1)), speeds: slices.Repeat([]float64{1}, 8), sample: 1}
	for rank := range 2000 {
		j.keys = append(j.keys, costKey{
			hash: j.rng.Uint64(), records: 5000 / math.Pow(float64(rank+1), 1.2), cost: 20000 * math.Exp(spread*j.rng.NormFloat64()),
		})
	}
	j.where = func(key int) []int {
		if key < 2 {
			return []int{0, 1, 2, 3, 4, 5, 6, 7}
		}
		return []int{int(j.keys[key].hash>>20) % 8}
	}
	return j
}

// window measures a window.
func (j *costJob) window() *policy.Window {
	const slots = 4096
	w := &policy.Window{End: time.Second, Slots: make([]int64, slots), Counts: make([]int64, 8), Busy: make([]float64, 8), Times: make([]policy.Times, 8)}
	type at struct {
		records int64
		total   float64
	}
	bySlot, squares := make([][slots]at, 8), make([]float64, 8)
	listed := make([][]policy.KeyTime, 8)
	for i, k := range j.keys {
		where := j.where(i)
		for _, worker := range where {
			n := j.poisson(k.records / float64(len(where)))
			w.Slots[policy.SlotOf(k.hash, slots)] += n
			w.Counts[worker] += n
			w.Busy[worker] += float64(n) * k.cost / j.speeds[worker] / 1e9
			var t at
			for range n {
				if j.rng.Float64() < j.sample {
					ns := k.cost / j.speeds[worker] * (1 + j.single*(2*float64(j.rng.IntN(2))-1))
					t = at{t.records + 1, t.total + ns}
					squares[worker] += ns * ns
				}
			}
			if t.records == 0 {
				continue
			}
			s := &bySlot[worker][policy.SlotOf(k.hash, slots)]
			*s = at{s.records + t.records, s.total + t.total}
			listed[worker] = append(listed[worker], policy.KeyTime{Hash: k.hash, Name: fmt.Sprint(i), Records: t.records, Total: time.Duration(t.total)})
		}
		if i < 64 {
			w.Hot = append(w.Hot, policy.HotKey{Hash: k.hash, Name: fmt.Sprint(i), Count: int64(k.records)})
		}
	}
	for worker := range w.Times {
		t := &w.Times[worker]
		keys := listed[worker]
		for _, k := range keys {
			if j.listed[worker][k.Hash] {
				t.Keys = append(t.Keys, k)
			}
		}
		slices.SortFunc(keys, func(a, b policy.KeyTime) int { return int(b.Total - a.Total) })
		j.listed[worker] = map[uint64]bool{}
		for _, k := range keys[:min(32, len(keys))] {
			j.listed[worker][k.Hash] = true
		}
		slices.SortFunc(t.Keys, func(a, b policy.KeyTime) int {
			if a.Hash < b.Hash {
				return -1
			}
			return 1
		})
		for s, of := range bySlot[worker] {
			if of.records > 0 {
				t.Slots = append(t.Slots, policy.SlotTime{Slot: int32(s), Records: of.records, Total: time.Duration(of.total)})
				t.Records += of.records
				t.Total += time.Duration(of.total)
			}
		}
		// As workers estimate it: within listed keys and what slots have beside them.
		between, means := 0.0, 0.0
		group := func(n int64, total float64) {
			if n > 0 {
				mean := total / float64(n)
				between += mean * total
				means += mean * mean
			}
		}
		for _, k := range t.Keys {
			s := &bySlot[worker][policy.SlotOf(k.Hash, slots)]
			*s = at{s.records - k.Records, s.total - float64(k.Total)}
			group(k.Records, float64(k.Total))
		}
		for _, s := range bySlot[worker] {
			group(s.records, s.total)
		}
		if free := between - means; free > 0 {
			t.Scatter = max(0, squares[worker]-between) / free
		}
	}
	return w
}

func (j *costJob) poisson(mean float64) (n int64) {
	if mean > 50 {
		return int64(max(0, math.Round(mean+math.Sqrt(mean)*j.rng.NormFloat64())))
	}
	for t := j.rng.ExpFloat64(); t < mean; t += j.rng.ExpFloat64() {
		n++
	}
	return n
}

// off returns by how much the estimated costs of the keys are off that have half a percent of
// the work or more: on average, weighted by work, and at most. A factor that all have in common
// does not count.
func (j *costJob) off(c *costs) (mean, most float64) {
	all, weight := 0.0, 0.0
	for _, k := range j.keys {
		all += k.records * k.cost
	}
	var ratios []float64
	for _, k := range j.keys {
		if k.records*k.cost/all >= 0.005 {
			got, _ := c.key(k.hash)
			ratios = append(ratios, got/k.cost)
		}
	}
	slices.Sort(ratios)
	common := ratios[len(ratios)/2]
	for _, k := range j.keys {
		part := k.records * k.cost / all
		if part < 0.005 {
			continue
		}
		got, _ := c.key(k.hash)
		off := math.Abs(got/k.cost/common - 1)
		most = max(most, off)
		mean += part * off
		weight += part
	}
	return mean / weight, most
}

// TestCosts: the costs of keys with half a percent of the work or more are right within 10 % after
// ten windows, and so are the speeds of workers.
func TestCosts(t *testing.T) {
	slow := []float64{1, 1, 1, 0.5, 1, 1.2, 0.9, 1}
	for _, c := range []struct {
		why    string
		change func(*costJob)
		mean   float64 // error
		most   float64
		speed  float64 // greatest error of a capacity
	}{
		{"equal workers, every record timed", func(j *costJob) {}, 0.03, 0.10, 0.06},
		{"a slow worker and others that differ", func(j *costJob) { j.speeds = slow }, 0.03, 0.10, 0.06},
		{"records of a key that differ by 40 %", func(j *costJob) { j.single = 0.4 }, 0.04, 0.10, 0.05},
		{"one record in 32 timed, with a slow worker", func(j *costJob) { j.sample, j.single, j.speeds = 1./32, 0.4, slow }, 0.10, 1.20, 0.30},
		{"the same at 30 times the rate", func(j *costJob) {
			j.sample, j.single, j.speeds = 1./32, 0.4, slow
			for i := range j.keys {
				j.keys[i].records *= 30
			}
		}, 0.03, 0.10, 0.06},
		{"no key is split, and workers are equal", func(j *costJob) {
			j.where = func(key int) []int { return []int{int(j.keys[key].hash>>20) % 8} }
		}, 0.30, 0.50, 0.35},
	} {
		for seed := range uint64(4) {
			j := newCostJob(seed, 1.2)
			c.change(j)
			l, speeds := NewLoads(DefaultLoad()), NewSpeeds(DefaultSpeed(), 8)
			for range 10 {
				w := j.window()
				l.Observe(w)
				speeds.Observe(l.Work(make([]float64, 8), w), w.Busy)
			}
			mean, most := j.off(&l.costs)
			capacity, sum, worst := speeds.Capacity(make([]float64, 8)), 0.0, 0.0
			for _, v := range j.speeds {
				sum += v
			}
			for i, v := range j.speeds {
				worst = max(worst, math.Abs(capacity[i]*sum/v-1))
			}
			if mean > c.mean || most > c.most || worst > c.speed {
				t.Errorf("%s, seed %d: costs are off by %.3f on average and %.3f at most, capacities by %.3f; want %v, %v and %v", c.why, seed, mean, most, worst, c.mean, c.most, c.speed)
			}
		}
	}
}

// TestCostsFollow: costs that drift and costs that jump are followed, and a worker whose speed
// jumps changes no cost.
func TestCostsFollow(t *testing.T) {
	for _, c := range []struct {
		why    string
		before func(j *costJob, window int) // changes the job
		most   float64                      // error of a cost after the last window
	}{
		{"costs drift by 2 % per window, up or down by key", func(j *costJob, _ int) {
			for i := range j.keys {
				j.keys[i].cost *= math.Exp(0.02 * float64(1-2*(i%2)))
			}
		}, 0.15},
		{"a key costs three times as much from window 8 on", func(j *costJob, window int) {
			if window == 8 {
				j.keys[3].cost *= 3
			}
		}, 0.08},
		{"a worker's speed halves in window 8", func(j *costJob, window int) {
			if window == 8 {
				j.speeds[2] = 0.5
			}
		}, 0.08},
	} {
		for seed := range uint64(3) {
			j := newCostJob(seed, 1)
			j.single = 0.3
			l := NewLoads(DefaultLoad())
			for window := range 10 {
				c.before(j, window)
				l.Observe(j.window())
			}
			if mean, most := j.off(&l.costs); most > c.most {
				t.Errorf("%s, seed %d: costs are off by %.3f on average and %.3f at most, want %v", c.why, seed, mean, most, c.most)
			}
		}
	}
}

// TestEqualCosts: where records cost the same, up to chance, times change nothing, bit by bit.
func TestEqualCosts(t *testing.T) {
	for _, single := range []float64{0, 0.5} {
		for seed := range uint64(10) {
			j := newCostJob(seed, 0)
			j.single, j.speeds = single, []float64{1, 1, 1, 0.5, 1, 1.2, 0.9, 1}
			with, without := NewLoads(DefaultLoad()), NewLoads(DefaultLoad())
			for window := range 10 {
				w := j.window()
				with.Observe(w)
				counts := *w
				counts.Times = nil
				without.Observe(&counts)
				keys, slots := with.Estimate(nil, nil, 8)
				wantKeys, wantSlots := without.Estimate(nil, nil, 8)
				if !slices.Equal(keys, wantKeys) || !slices.Equal(slots, wantSlots) || with.Deviation(8) != without.Deviation(8) {
					t.Fatalf("scatter %v, seed %d, window %d: loads change", single, seed, window)
				}
				for i, n := range with.Work(make([]float64, 8), w) {
					if n != float64(w.Counts[i]) {
						t.Fatalf("scatter %v, seed %d, window %d: worker %d did %v records of work, %d of them", single, seed, window, i, n, w.Counts[i])
					}
				}
			}
		}
	}
}

// TestExpensiveKey: a key with few records but much work is planned by name.
func TestExpensiveKey(t *testing.T) {
	j := newCostJob(1, 0)
	const rank = 1000
	j.keys[rank].cost *= 2000
	l := NewLoads(DefaultLoad())
	for range 5 {
		l.Observe(j.window())
	}
	keys, _ := l.Estimate(nil, nil, 8)
	i := slices.IndexFunc(keys, func(k KeyLoad) bool { return k.Hash == j.keys[rank].hash })
	if i < 0 || keys[i].Load < 0.05 || keys[i].Name != fmt.Sprint(rank) {
		t.Errorf("the key is not known, or light: place %d", i)
	}
}

func BenchmarkCosts(b *testing.B) {
	j := newCostJob(1, 1)
	j.single = 0.3
	w := j.window()
	l := NewLoads(DefaultLoad())
	for b.Loop() {
		l.Observe(w)
	}
}

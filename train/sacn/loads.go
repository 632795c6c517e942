//go:build torch

package sacn

import (
	"fmt"
	"math"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/nn"
)

// loads is what critics of the shares action know without learning it by trial: how an
// action becomes a reward. An action's numbers are normalised to shares by key, a
// worker's load is linear in the shares that it gets, and the reward says how unequal
// busy times are (docs/algorithms.md, "The decision process"):
//
//	r_i = e_i / sum of e over i's key, e = (a+1)/2                 share of the mask's pair i
//	x_w = bias_w + sum over the pairs i of worker w of load_i r_i  its load, in any unit
//	g   = Reward((imbalance(x) + nmad(x)) / 2)
//
// load and bias, none negative, are fitted by least squares for x / mean(x) to be the
// busy ratios that were measured, over their mean: every window has one for each
// worker, where it has a single reward. Cold keys end up in the bias, the workers'
// speeds in both, and noise averages out. The value of each
// critic is g plus what its network puts out, which starts at 0 and learns what g
// leaves unexplained: queues, later windows, whatever depends on the state.
type loads struct {
	keys    []loadKey
	workers int // P
	pairs   int // A
	p0      float64
	model   *nn.Params  // load [A], bias [P]
	parts   [][]float32 // gradients by the model, of each chunk of a batch
}

// loadKey is a key of the mask; its pairs are an action's numbers from on.
type loadKey struct {
	from    int
	workers []uint16
}

// loadRows is how many rows a task takes.
const loadRows = 32

// leastSum is the least that a key's numbers, each from 0 to 2, are divided by.
const leastSum = 1e-3

// newLoads is for batches of so many rows. It begins with what the mask alone says: it
// gives a key workers in proportion to its weight, so that a key split evenly puts the
// same on each of them, whichever key it is.
func newLoads(mask policy.Mask, p0 float64, rows int) *loads {
	l := &loads{workers: mask.Workers, pairs: mask.Pairs(), p0: p0}
	l.model = nn.NewParams([]train.Tensor{{Name: "load", Shape: []int{l.pairs}}, {Name: "bias", Shape: []int{l.workers}}})
	for at, rank := 0, 0; rank < len(mask.Keys); rank++ {
		row := mask.Keys[rank]
		l.keys = append(l.keys, loadKey{at, row})
		for range row {
			l.model.W[at] = float32(l.workers*len(row)) / float32(l.pairs)
			at++
		}
	}
	for range nn.Parts(rows, loadRows) {
		l.parts = append(l.parts, make([]float32, len(l.model.W)))
	}
	return l
}

// of sets x [P] to the loads of an action [A].
func (l *loads) of(x []float64, act []float32) {
	for w := range x {
		x[w] = float64(l.model.W[l.pairs+w])
	}
	for _, k := range l.keys {
		sum, _ := k.sum(act)
		for i, w := range k.workers {
			x[w] += float64(l.model.W[k.from+i]) * float64(act[k.from+i]+1) / sum
		}
	}
}

// sum is what a key's numbers are divided by, and whether that changes with them.
func (k loadKey) sum(act []float32) (sum float64, free bool) {
	for i := range k.workers {
		sum += float64(act[k.from+i] + 1)
	}
	if sum < leastSum {
		return leastSum, false
	}
	return sum, true
}

// average is the mean of loads, which must not be 0: without any load there is no
// unequal one.
func average(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return max(sum/float64(len(x)), 1e-3)
}

// values adds g of each of the actions [R,A] to every row of q [N,R,...], each number
// of which belongs to one action: q [N,R].
func (l *loads) values(p *nn.Pool, q, act []float32) {
	rows := len(act) / l.pairs
	p.Split(rows, loadRows, func(_, from, to int) {
		x := make([]float64, l.workers)
		for i := from; i < to; i++ {
			l.of(x, act[i*l.pairs:(i+1)*l.pairs])
			g := float32(policy.Reward(policy.Perf(x), l.p0))
			for j := i; j < len(q); j += rows {
				q[j] += g
			}
		}
	})
}

// climb adds weight times the gradient of g by the actions [B,A] to slope [B,A].
func (l *loads) climb(p *nn.Pool, slope, act []float32, weight float64) {
	p.Split(len(act)/l.pairs, loadRows, func(_, from, to int) {
		x, d := make([]float64, l.workers), make([]float64, l.workers)
		for i := from; i < to; i++ {
			a, out := act[i*l.pairs:(i+1)*l.pairs], slope[i*l.pairs:(i+1)*l.pairs]
			l.of(x, a)
			l.rise(d, x)
			for _, k := range l.keys {
				sum, free := k.sum(a)
				mean := 0.0 // of d*load, weighted by the shares
				if free {
					for j, w := range k.workers {
						mean += d[w] * float64(l.model.W[k.from+j]) * float64(a[k.from+j]+1) / sum
					}
				}
				for j, w := range k.workers {
					out[k.from+j] += float32(weight * (d[w]*float64(l.model.W[k.from+j]) - mean) / sum)
				}
			}
		}
	})
}

// rise sets d [P] to the gradient of g by the loads x [P]. With m their mean,
//
//	imbalance = max/m - 1, nmad = sum |x-m| / (P m), dg/dperf = -2 (1 + |p0-perf|/p0) / p0
func (l *loads) rise(d, x []float64) {
	n, mean, most := float64(len(x)), average(x), 0
	for w, v := range x {
		if v > x[most] {
			most = w
		}
	}
	apart, signs := 0.0, 0.0 // nmad, mean sign of x-m
	for _, v := range x {
		apart += math.Abs(v-mean) / (n * mean)
		signs += sign(v-mean) / n
	}
	perf := policy.Perf(x)
	by := -2 * (1 + math.Abs(l.p0-perf)/l.p0) / l.p0 / 2 / mean // half of perf is each
	for w, v := range x {
		d[w] = by * (sign(v-mean) - signs - apart - x[most]/mean) / n
	}
	d[most] += by
}

func sign(v float64) float64 {
	switch {
	case v > 0:
		return 1
	case v < 0:
		return -1
	}
	return 0
}

// fit takes a step of Adam, the t-th, down the weighted mean over the rows of half the
// mean squared error of the loads of the actions in b against the busy ratios that
// followed, relative to their mean. Of a saturated worker it is only known that its
// load is no less than what it shows. fit returns the loss before the step.
func (l *loads) fit(p *nn.Pool, b *train.Batch, rate float64, t uint64) (float64, error) {
	rows := len(b.Reward)
	wide := len(b.Next) / rows
	losses := make([]float64, len(l.parts))
	p.Split(rows, loadRows, func(part, from, to int) {
		x, grad := make([]float64, l.workers), l.parts[part]
		clear(grad)
		for i := from; i < to; i++ {
			act := b.Act[i*l.pairs : (i+1)*l.pairs]
			l.of(x, act)
			busy, mean := b.Next[(i+1)*wide-l.workers:(i+1)*wide], 0.0
			for _, v := range busy {
				mean += min(float64(v), 1) / float64(l.workers) // 2 stands for saturated
			}
			if mean == 0 {
				continue
			}
			scale := float64(b.Weight[i]) / float64(rows*l.workers)
			level := average(x)
			along := 0.0 // mean of error * load, relative
			for w, v := range busy {
				x[w] /= level
				e := x[w] - min(float64(v), 1)/mean
				if v >= 1 {
					e = min(e, 0)
				}
				losses[part] += scale * e * e / 2
				along += e * x[w] / float64(l.workers)
				x[w] = e
			}
			for w, e := range x {
				x[w] = scale * (e - along) / level // the gradient by x
				grad[l.pairs+w] += float32(x[w])
			}
			for _, k := range l.keys {
				sum, _ := k.sum(act)
				for j, w := range k.workers {
					grad[k.from+j] += float32(x[w] * float64(act[k.from+j]+1) / sum)
				}
			}
		}
	})
	clear(l.model.Grad)
	loss := 0.0
	for i, part := range l.parts {
		loss += losses[i]
		for j, v := range part {
			l.model.Grad[j] += v
		}
	}
	if _, err := l.model.Step(p, rate, t, 0); err != nil {
		return loss, fmt.Errorf("the loads' %w", err)
	}
	for i, v := range l.model.W {
		l.model.W[i] = max(v, 0)
	}
	return loss, nil
}

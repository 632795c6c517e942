//go:build torch

package capacity

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/policy/scenario"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/nn"
	"github.com/saspart/saspart/train/recording"
)

// critics3 is a tape of tiny critics with random inputs.
func critics3(t *testing.T, states, workers, rep int) (n *pooled, w *nn.Params, tp *pooledTape, state, common, act []float32) {
	t.Helper()
	c := tinyRecurrent(train.CQL)
	n = newPooled(&c)
	w = nn.NewParams(n.layout())
	rng := rand.New(rand.NewPCG(5, 1))
	n.init(w, rng)
	normals := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
		return v
	}
	return n, w, n.tape(states, workers, rep), normals(states * workers * (recording.StateWidth + recording.CommonWidth)), normals(states * recording.CommonWidth), normals(states * workers * rep)
}

// The ensemble computed together is so many networks of one member each.
func TestPooledIsSeparateNetworks(t *testing.T) {
	const states, workers, rep = 3, 5, 2
	n, w, tp, state, common, act := critics3(t, states, workers, rep)
	tp.forward(&nn.Pool{Threads: 2}, w.W, state, common, act)
	c := tinyRecurrent(train.CQL)
	c.Critics = 1
	one := newPooled(&c)
	for m := range n.each.Members {
		p := nn.NewParams(one.layout())
		for i, to := range p.Layout {
			if !strings.HasPrefix(to.Name, "each.") {
				continue
			}
			copy(to.Data, w.Layout[i].Data[m*to.Len():])
		}
		copy(one.tailOf(p.W, 0), n.tailOf(w.W, m))
		alone := one.tape(states, workers, rep)
		alone.forward(&nn.Pool{Threads: 1}, p.W, state, common, act)
		for i, v := range alone.q {
			if got := tp.q[m*states*rep+i]; math.Abs(float64(got-v)) > 1e-5 {
				t.Errorf("member %d: value %d is %v, alone it is %v", m, i, got, v)
			}
		}
	}
}

// Which worker is which makes no difference.
func TestPooledIgnoresOrder(t *testing.T) {
	const workers, width = 6, recording.StateWidth + recording.CommonWidth
	_, w, tp, state, common, act := critics3(t, 1, workers, 1)
	tp.forward(&nn.Pool{Threads: 1}, w.W, state, common, act)
	before := slices.Clone(tp.q)
	dq := []float32{1, 1, 1}
	tp.backward(&nn.Pool{Threads: 1}, w.W, dq, nil, true)
	slopes := slices.Clone(tp.dact)
	order := rand.New(rand.NewPCG(1, 1)).Perm(workers)
	mixed, moved := make([]float32, len(state)), make([]float32, len(act))
	for to, from := range order {
		copy(mixed[to*width:(to+1)*width], state[from*width:])
		moved[to] = act[from]
	}
	tp.forward(&nn.Pool{Threads: 1}, w.W, mixed, common, moved)
	tp.backward(&nn.Pool{Threads: 1}, w.W, dq, nil, true)
	for i, v := range tp.q {
		if math.Abs(float64(v-before[i])) > 1e-5 {
			t.Errorf("value of member %d is %v, in another order %v", i, before[i], v)
		}
	}
	for to, from := range order {
		if math.Abs(float64(tp.dact[to]-slopes[from])) > 1e-5 {
			t.Errorf("slope by the action of worker %d is %v, in another order %v", from, slopes[from], tp.dact[to])
		}
	}
}

// The gradients through the pools are what finite differences say.
func TestPooledGradient(t *testing.T) {
	const states, workers, rep = 2, 4, 3
	_, w, tp, state, common, act := critics3(t, states, workers, rep)
	rng := rand.New(rand.NewPCG(2, 2))
	dq := make([]float32, len(tp.q))
	for i := range dq {
		dq[i] = float32(rng.NormFloat64())
	}
	p := &nn.Pool{Threads: 1}
	loss := func() (sum float64) {
		tp.forward(p, w.W, state, common, act)
		for i, v := range tp.q {
			sum += float64(v) * float64(dq[i])
		}
		return sum
	}
	loss()
	tp.backward(p, w.W, dq, w.Grad, true)
	for what, c := range map[string]struct{ v, by []float32 }{"parameter": {w.W, w.Grad}, "action": {act, slices.Clone(tp.dact)}} {
		by, checked := slices.Clone(c.by), 0
		for i := range c.v {
			slope := func(step float32) float64 {
				was := c.v[i]
				c.v[i] = was + step
				up, high := loss(), c.v[i]
				c.v[i] = was - step
				down, low := loss(), c.v[i]
				c.v[i] = was
				return (up - down) / float64(high-low)
			}
			wide, narrow := slope(1e-2), slope(5e-3)
			if math.Abs(wide-narrow) > 1e-3+0.02*math.Abs(narrow) {
				continue // another worker becomes the maximum
			}
			checked++
			if math.Abs(float64(by[i])-narrow) > 2e-3+0.01*math.Abs(narrow) {
				t.Errorf("gradient by %s %d is %v, differences give %v", what, i, by[i], narrow)
			}
		}
		if checked < len(c.v)*3/4 {
			t.Errorf("only %d of %d %ss were checked", checked, len(c.v), what)
		}
	}
}

// CQL's gap by hand, and its gradient by differences.
func TestCQLGap(t *testing.T) {
	q, density := []float32{1, 2, 0.5}, []float64{math.Log(0.5), math.Log(2)}
	dq := make([]float32, 3)
	gap := cqlGap(q, density, 1, 0.1, dq)
	if want := math.Log(math.Exp(2)/0.5+math.Exp(0.5)/2) - 1; math.Abs(gap-want) > 1e-6 {
		t.Errorf("gap %v, want %v", gap, want)
	}
	for _, temperature := range []float64{0.2, 1, 3} {
		clear(dq)
		cqlGap(q, density, temperature, 0.1, dq)
		for i := range q {
			was, scratch := q[i], make([]float32, 3)
			q[i] = was + 1e-2
			up := cqlGap(q, density, temperature, 0, scratch)
			q[i] = was - 1e-2
			down := cqlGap(q, density, temperature, 0, scratch)
			q[i] = was
			if want := 0.1 * (up - down) / 2e-2; math.Abs(want-float64(dq[i])) > 1e-4 {
				t.Errorf("temperature %v: gradient by value %d is %v, differences give %v", temperature, i, dq[i], want)
			}
		}
	}
}

// entered is a trainer with a batch of which it has walked the policy's way.
func entered(t *testing.T, a train.Algorithm) (*RecurrentSACN, *workspace, func()) {
	t.Helper()
	rec := recorded(t, scenarioOf(4, 20, 1), 1e9, 2)
	r := newRecurrent(t, tinyRecurrent(a), 3)
	batch := []recording.Stretch{{Recording: rec}, {Recording: rec, From: 9}}
	walk := func() {
		w := r.net.Views(r.actor.W)
		r.unroll.begin(batch, r.cfg.BurnIn, r.cfg.BurnIn+r.cfg.Stretch+1)
		r.unroll.forward(&w)
	}
	walk()
	return r, r.workspaceFor(batch), walk
}

// differences compares the gradient that is in p with differences of a loss, but where
// the loss has a kink nearby: where another worker becomes a pool's maximum.
func differences(t *testing.T, what string, p *nn.Params, loss func() float64) {
	t.Helper()
	grad, checked, off := slices.Clone(p.Grad), 0, 0
	here := loss()
	for i := range p.W {
		slope := func(step float32) float64 {
			was := p.W[i]
			p.W[i] = was + step
			to, high := loss(), p.W[i]
			p.W[i] = was
			return (to - here) / float64(high-was)
		}
		right, left := slope(5e-3), slope(-5e-3)
		if math.Abs(right-left) > 3e-3+0.05*math.Abs(right) {
			continue
		}
		checked++
		if best := (right + left) / 2; math.Abs(float64(grad[i])-best) > 2e-3+0.02*math.Abs(best) {
			off++
			t.Logf("%s: gradient %d is %v, differences give %v and %v", what, i, grad[i], left, right)
		}
	}
	if off > 0 || checked < len(grad)/2 {
		t.Errorf("%s: of %d gradients %d were checked and %d are off", what, len(grad), checked, off)
	}
}

// The critics' loss, the policy's and that of cloning: their gradients are what
// finite differences say, with all that is drawn at random held fast.
func TestRecurrentLosses(t *testing.T) {
	r, space, walk := entered(t, train.CQL)
	usable := r.gather(space)
	seed, err := r.pcg.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	draw := func() float64 {
		if err := r.pcg.UnmarshalBinary(seed); err != nil {
			t.Fatal(err)
		}
		return r.draw(space)
	}
	draw()
	alpha := 0.3
	r.targets(space, alpha, &losses{})
	criticise := func() float64 {
		var s losses
		r.criticLoss(space, usable, &s)
		return float64(r.cfg.Critics) * (s.TD + r.cfg.CQL.Weight*s.CQL)
	}
	r.cfg.CQL.Weight, r.cfg.CQL.Gap = 0.5, -1e9
	criticise()
	space.values.backward(r.pool, r.critic.W, space.dq, r.critic.Grad, false)
	differences(t, "critics", r.critic, criticise)

	improve := func() float64 {
		walk()
		entropy := draw()
		var s losses
		clear(space.byShare)
		clear(space.byLogStd)
		r.policyLoss(space, usable, &s)
		r.eachTransition(func(_, row int, _ bool) {
			for w := range space.workers {
				space.byLogStd[row+w] -= float32(alpha / float64(usable*space.workers))
			}
		})
		return -alpha*entropy - s.PolicyValue
	}
	for i := range r.critic.W {
		r.critic.W[i] *= 2 // or the policy hardly matters
	}
	improve()
	w, g := r.net.Views(r.actor.W), r.net.Views(r.actor.Grad)
	r.unroll.backward(&w, &g, space.byShare, space.byLogStd)
	differences(t, "policy", r.actor, improve)

	clone := func() float64 {
		walk()
		clear(space.byShare)
		clear(space.byLogStd)
		return -r.likelihood(space, usable)
	}
	clone()
	r.unroll.backward(&w, &g, space.byShare, space.byLogStd)
	differences(t, "clone", r.actor, clone)
}

// source is recordings of jobs of several P.
func source(t testing.TB, windows int, workers ...int) recording.Recordings {
	var all recording.Recordings
	for i, p := range workers {
		all = append(all, recorded(t, scenarioOf(p, windows, uint64(i)), 1e5, uint64(i)))
	}
	return all
}

func updates(t testing.TB, r *RecurrentSACN, src recording.Stretches, n int) (last train.Stats) {
	t.Helper()
	for range n {
		var err error
		if last, err = r.Update(src); err != nil {
			t.Fatal(err)
		}
	}
	return last
}

// Interrupted or not, on one thread or three: the same parameters, bit for bit.
func TestRecurrentResumesExactly(t *testing.T) {
	src := source(t, 24, 3, 6, 3)
	for _, a := range []train.Algorithm{train.SACN, train.CQL, train.BC} {
		fresh := func(threads int, seed uint64) *RecurrentSACN {
			c := tinyRecurrent(a)
			c.Threads, c.CloneUpdates = threads, 2
			return newRecurrent(t, c, seed)
		}
		whole, half, resumed := fresh(1, 7), fresh(3, 7), fresh(2, 8)
		updates(t, whole, src, 8)
		updates(t, half, src, 4)
		state, err := half.State()
		if err != nil {
			t.Fatal(err)
		}
		updates(t, half, src, 1) // what the state holds is a copy
		if err := resumed.Restore(state); err != nil {
			t.Fatal(err)
		}
		updates(t, resumed, src, 4)
		if !slices.Equal(whole.actor.W, resumed.actor.W) || !slices.Equal(whole.critic.W, resumed.critic.W) || whole.Updates() != resumed.Updates() {
			t.Errorf("%s: a resumed run ends elsewhere", a)
		}
		other := fresh(1, 8)
		updates(t, other, src, 8)
		if slices.Equal(whole.actor.W, other.actor.W) {
			t.Errorf("%s: another seed ends at the same place", a)
		}
		if err := newRecurrent(t, DefaultRecurrent(), 1).Restore(state); err == nil {
			t.Errorf("%s: the state of another network was taken", a)
		}
	}
}

// Memory stays where it is after the first updates.
func TestRecurrentMemoryIsFlat(t *testing.T) {
	if testing.Short() {
		t.Skip("2,000 updates")
	}
	src := source(t, 40, 3, 6)
	r := newRecurrent(t, tinyRecurrent(train.CQL), 1)
	updates(t, r, src, 100)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	updates(t, r, src, 2000)
	if after := heap(); after > before+1<<18 {
		t.Errorf("%d bytes in use after 2,000 updates, %d before", after, before)
	}
}

// Starting from a checkpoint, its inputs, scales and network are taken over.
func TestRecurrentStarts(t *testing.T) {
	start, err := checkpoint.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewRecurrentSACN(tinyRecurrent(train.SACN), start, 1)
	if err != nil {
		t.Fatal(err)
	}
	got := r.Checkpoint()
	if err := got.Validate(); err != nil {
		t.Fatal(err)
	}
	one, errOne := learned.NewCapacityPolicy(start, 3)
	other, errOther := learned.NewCapacityPolicy(got, 3)
	if errOne != nil || errOther != nil {
		t.Fatal(errOne, errOther)
	}
	m := scenario.Measured{Share: []float64{0.3, 0.3, 0.4}, Seen: []float64{0.3, 0.3, 0.4}, Busy: []float64{0.4, 0.5, 0.9}, Queue: make([]float64, 3)}
	a, b := make([]float64, 3), make([]float64, 3)
	one.Decide(&m, a)
	other.Decide(&m, b)
	if !slices.Equal(a, b) {
		t.Errorf("shares %v, those of the checkpoint that it started from are %v", b, a)
	}
	start.Kind = checkpoint.KindShares
	if _, err := NewRecurrentSACN(tinyRecurrent(train.SACN), start, 1); err == nil || !strings.Contains(err.Error(), "kind shares") {
		t.Errorf("a shares policy to start from: %v", err)
	}
}

// What is not finite stops the run and says so.
func TestRecurrentStopsAtNaN(t *testing.T) {
	src := source(t, 24, 4)
	r := newRecurrent(t, tinyRecurrent(train.CQL), 1)
	r.critic.W[0] = float32(math.NaN())
	before := slices.Clone(r.actor.W)
	if _, err := r.Update(src); err == nil || !strings.Contains(err.Error(), "update 1: the critics'") {
		t.Errorf("critics with a NaN: %v", err)
	}
	if !slices.Equal(before, r.actor.W) || r.Updates() != 0 {
		t.Error("it changed the policy")
	}
	if _, err := r.Update(source(t, 4, 4)); err == nil || !strings.Contains(err.Error(), "5 windows in a row") {
		t.Errorf("recordings that are too short: %v", err)
	}
}

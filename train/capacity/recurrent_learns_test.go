//go:build torch

package capacity

import (
	"testing"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/scenario"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/recording"
)

// TestRecurrentLearns: the data is of jobs with unequal workers whose capacities wander around
// a third of the way from equal ones to the best. On the speeds recorded of other jobs, the
// learned policy must be better than three others: the recorded behaviour, its clone, and
// the fixed smoothing that training starts from.
func TestRecurrentLearns(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	scenarios := scenario.Default()
	scenarios.Windows, scenarios.Spread, scenarios.Utilisation, scenarios.Noise = 96, [2]float64{0.6, 0.6}, [2]float64{0.5, 0.5}, [2]float64{0.03, 0.03}
	scenarios.Walk, scenarios.Jump = [2]float64{0, 0.01}, [2]float64{0, 0}
	var src, held recording.Recordings
	for seed := range uint64(12) {
		src = append(src, recordedBy(t, scenario.New(scenarios, 4, seed), 0.3, 1e5, seed))
		held = append(held, recordedBy(t, scenario.New(scenarios, 4, 100+seed), 0.3, 1e5, 100+seed))
	}
	start := checkpoint.UntrainedCapacity(8, 1)
	start.Tensors[5].Data[0] = -2.5 // a gain of 0.007: it hardly follows
	score := func(c *checkpoint.Checkpoint) train.Estimates {
		e, err := recording.Evaluate(c, held)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	learned := func(a train.Algorithm, n int) float64 {
		c := DefaultRecurrent()
		c.Algorithm, c.Critics, c.Encoder, c.Hidden, c.Rows = a, 2, []int{16}, []int{16}, 48
		c.ActorRate, c.CriticRate, c.WaitUpdates = 2e-3, 3e-3, 50
		r, err := NewRecurrentSACN(c, start, 1)
		if err != nil {
			t.Fatal(err)
		}
		updates(t, r, src, n)
		return *score(r.Checkpoint()).Recorded
	}
	before := score(start)
	got, clone := learned(train.CQL, 300), learned(train.BC, 300)
	t.Logf("imbalance: learned %.4f, cloned %.4f, started from %.4f, recorded %.4f", got, clone, *before.Recorded, *before.Behaviour)
	for _, worse := range []float64{clone, *before.Recorded, *before.Behaviour} {
		if !(got < 0.8*worse) {
			t.Errorf("imbalance %.4f, not clearly below %.4f", got, worse)
		}
	}
}

// Values tell good actions from bad ones after some learning: those of shares at the
// true speeds are above those of the wandering ones recorded.
func TestRecurrentValues(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	c := DefaultRecurrent()
	c.Algorithm, c.Rows, c.ActorRate = train.SACN, 64, 1e-9 // the policy stays a fixed smoothing
	r, err := NewRecurrentSACN(c, nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	scenarios := scenario.Default()
	scenarios.Windows, scenarios.Utilisation = 400, [2]float64{0.4, 0.4} // nobody saturated
	src := recording.Recordings{recorded(t, scenario.New(scenarios, 4, 1), 1e5, 1)}
	updates(t, r, src, 150)
	if data, own := r.Values(src, 1000); !(own > data+0.3) {
		t.Errorf("value %.3f of a fixed smoothing, %.3f of what was done", own, data)
	}
}

//go:build torch

package shares

import (
	"slices"
	"testing"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/online"
)

// TestStartFromAnother: online training by each algorithm starts from the policy of another,
// target parameters included, and from its critics.
func TestStartFromAnother(t *testing.T) {
	for _, rate := range []float64{0, 1e-3} {
		cfg := small(train.CQL)
		cfg.LoadsRate = rate
		from := fresh(t, cfg, 1)
		trained(t, from, &edgySource{}, 3)
		startEach(t, from)
	}
}

func startEach(t *testing.T, from *Trainer) {
	saved := state(t, from)
	each(t, func(t *testing.T, cfg train.Config) {
		tr := fresh(t, cfg, 2)
		l := online.SharesLearner{Trainer: tr}
		critics, err := l.Start(&checkpoint.Checkpoint{Tensors: from.Policy()}, &saved)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(tr.actor.W, from.actor.W) || tr.deterministic && !slices.Equal(tr.actor.Slow, from.actor.W) {
			t.Error("the policy is another")
		}
		// Critics that know loads are of another kind. V starts from scratch.
		if fits := (tr.loads == nil) == (from.loads == nil); critics != fits || fits && !slices.Equal(tr.critic.Slow, from.critic.Slow) {
			t.Errorf("critics taken over: %v", critics)
		}
	})
}

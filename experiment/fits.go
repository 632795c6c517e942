package experiment

import (
	"fmt"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/partition/table"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/plan"
)

// fits returns an error if the experiment's policy is a shares policy that was trained on other
// keys than those of its source. Such a policy has learned where to send a key of each rank, for
// keys of certain weights.
func fits(e *config.Experiment) error {
	c := &e.Partitioner.SaSPartitioner
	if e.Partitioner.Name != "saspartitioner" || c.KeyDistance == 0 || c.Pool != "" || c.Checkpoint == table.Untrained {
		return nil
	}
	followed, err := checkpoint.Open(c.Checkpoint)
	if err != nil {
		return err
	}
	if followed.Shares == nil || len(followed.Shares.KeyShares) == 0 {
		return nil // any keys suit it, or it does not say which do
	}
	model, err := Fluid(e) // what a policy for this job is trained on
	if err != nil {
		return err
	}
	trained, own := followed.Shares.KeyShares, model.Keys.Weights()
	own = own[:min(len(own), len(trained))]
	if from := plan.KeyDistance(trained, own); from > c.KeyDistance {
		return fmt.Errorf("checkpoint %s was trained on other keys, the heaviest of which was %.0f %% of the records, where that of %s is %.0f %%: the distance over the heaviest %d is %.2f, and may be %.2f (partitioner.saspartitioner.key_distance; 0: any). Train a policy for these keys, or use a capacity checkpoint, which fits any",
			c.Checkpoint, 100*trained[0], e.Name, 100*own[0], len(own), from, c.KeyDistance)
	}
	return nil
}

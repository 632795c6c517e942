package experiment

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/partition/registry"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/network"
)

// TestFits: a shares policy decides only for a job with the keys and the number of workers that
// it was trained for, unless any keys are allowed.
func TestFits(t *testing.T) {
	random := func(shape ...int) []float32 {
		x := make([]float32, shape[len(shape)-1]*shape[len(shape)-2])
		for i := range x {
			x[i] = rand.Float32()
		}
		return x
	}
	dir := filepath.Join(t.TempDir(), "policy")
	err := checkpoint.Save(dir, &checkpoint.Checkpoint{
		Kind: checkpoint.KindShares,
		Shares: &checkpoint.SharesSpec{
			Workers: 8, Mask: [][]uint16{{0, 1}}, HotKeys: 3, KeyShares: []float64{0.386, 0.136, 0.074}, Hidden: []int{3},
		},
		Tensors: []network.Tensor{
			{Name: "0.weight", Shape: []int{1, 16, 3}, Data: random(16, 3)}, {Name: "0.bias", Shape: []int{1, 3}, Data: random(1, 3)},
			{Name: "1.weight", Shape: []int{1, 3, 4}, Data: random(3, 4)}, {Name: "1.bias", Shape: []int{1, 4}, Data: random(1, 4)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why    string
		change func(e *config.Experiment)
		says   string // "": it fits
	}{
		{"the keys that it was trained on", func(*config.Experiment) {}, ""},
		{"the exponent is 1.45, not 1.5", func(e *config.Experiment) { e.Source.Exponent = 1.45 }, ""},
		{"a flatter distribution", func(e *config.Experiment) { e.Source.Exponent = 1 }, "was trained on other keys, the heaviest of which was 39 % of the records, where that of wordcount-zipf is 1"},
		{"any keys are allowed", func(e *config.Experiment) { e.Source.Exponent, e.Partitioner.SaSPartitioner.KeyDistance = 1, 0 }, ""},
		{"the built-in policy fits any", func(e *config.Experiment) {
			e.Source.Exponent, e.Partitioner.SaSPartitioner.Checkpoint = 1, checkpoint.BuiltinName
		}, ""},
		{"another number of workers", func(e *config.Experiment) { e.Job.Workers = 4 }, "trained for 8 workers, the job has 4"},
	} {
		e, _, err := config.Load("wordcount-zipf", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		e.Partitioner.Name, e.Partitioner.SaSPartitioner.Checkpoint = "saspartitioner", dir
		c.change(e)
		s, err := registry.New(e.Partitioner, e.Job.Workers)
		if err == nil {
			var job Job
			if job, err = Open(e, Sim, s, Options{}); err == nil {
				err = job.Close()
			}
		}
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: error %v, want %q", c.why, err, c.says)
		}
	}
}

//go:build torch

package capacity

import (
	"math"
	"testing"

	"github.com/saspart/saspart/policy/filter"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/policy/scenario"
	"github.com/saspart/saspart/train/internal/nn"
)

// unsure is a configuration whose policy learns to state its uncertainty.
func unsure() Config {
	cfg := tinyCapacity()
	law := &cfg.Scenarios.Laws[0]
	law.Windows, law.Utilisation, law.Noise, law.Missing, law.MissingFor = 8, scenario.Range{0.3, 0.3}, scenario.Range{0.1, 0.1}, scenario.Range{0.3, 0.3}, scenario.Count{1, 3}
	cfg.Batch, cfg.Uncertainty = 1, 1
	return cfg
}

// The gradient of the score is what its finite differences say where the log capacities are
// held: they are constants to it, and through the memories it goes on.
func TestUncertaintyGradient(t *testing.T) {
	trainer, err := NewModelTrainer(unsure(), 3)
	if err != nil {
		t.Fatal(err)
	}
	perturb(trainer, 4)
	off, checked := 0, 0
	for seed := range uint64(3) {
		s := scenario.New(trainer.cfg.Scenarios.Laws[0].Config, 5, seed)
		g := rolloutOf(trainer, s, 20)
		trainer.cfg.Uncertainty = 0
		without := rolloutOf(trainer, s, 20).grad
		trainer.cfg.Uncertainty = 1
		grad, held := g.grad, make([][]float64, s.Windows)
		for at := range held {
			held[at] = append([]float64(nil), g.rollouts[0].off(at)...)
		}
		// score is the score of the present parameters against the held deviations.
		score := func() (sum float64) {
			g := rolloutOf(trainer, s, 20)
			w := trainer.net.Views(trainer.params.W)
			var stated, growth column
			stated.read(trainer.net, &w, filter.Stated)
			growth.read(trainer.net, &w, filter.Growth)
			h := trainer.net.Units
			for at := range s.Windows - 1 {
				memories := g.tape.At(g.tape.H, at+1, h)
				for row := range s.Workers {
					a, _ := stated.of(memories.V[row*h:][:h])
					b, _ := growth.of(memories.V[row*h:][:h])
					std, r := filter.Uncertainty(a, b, g.rollouts[0].filter.Steps[at].NextMissed[row]), held[at+1][row]
					sum += (math.Log(std) + r*r/(2*std*std)) / float64(s.Workers*s.Windows)
				}
			}
			return sum
		}
		for i := range trainer.params.W {
			slope := func(step float32) float64 {
				was := trainer.params.W[i]
				trainer.params.W[i] = was + step
				up, high := score(), trainer.params.W[i]
				trainer.params.W[i] = was - step
				down, low := score(), trainer.params.W[i]
				trainer.params.W[i] = was
				return (up - down) / float64(high-low)
			}
			wide, narrow := slope(4e-3), slope(2e-3)
			if math.Abs(wide-narrow) > 1e-4+0.02*math.Abs(narrow) {
				continue // a kink
			}
			checked++
			got, best := float64(grad[i]-without[i]), narrow+(narrow-wide)/3
			if math.Abs(got-best) > 5e-4+0.02*math.Abs(best) {
				off++
				t.Logf("seed %d: gradient %d is %v, differences give %v", seed, i, got, best)
			}
		}
	}
	if off > checked/100 || checked < 300 {
		t.Errorf("%d of %d gradients are off", off, checked)
	}
}

// What is stated after some training is what the speeds are off by: less without noise, and more
// after windows without a measurement.
func TestUncertaintyIsLearned(t *testing.T) {
	cfg := unsure()
	cfg.Batch, cfg.Updates, cfg.Uncertainty, cfg.Common, cfg.Rate = 12, 300, 1, 1, [2]float64{1e-2, 1e-3}
	law := &cfg.Scenarios.Laws[0]
	law.Windows, law.Noise, law.Delay, law.Walk, law.Jump = 24, scenario.Range{0.1, 0.1}, scenario.Count{}, scenario.Range{0.05, 0.05}, scenario.Range{}
	trainer, err := NewModelTrainer(cfg, 5)
	if err != nil {
		t.Fatal(err)
	}
	learn(t, trainer, cfg.Updates)
	c := trainer.Checkpoint()
	if !c.Capacity.Uncertainty || c.Validate() != nil {
		t.Fatalf("the checkpoint %+v states no uncertainty: %v", c.Capacity, c.Validate())
	}
	policy, err := learned.NewCapacityPolicy(c, 6)
	if err != nil {
		t.Fatal(err)
	}
	score, n := 0.0, 0.0
	after := map[bool]float64{} // what is stated, of measured workers and of others
	count := map[bool]float64{}
	for seed := range uint64(40) {
		s := scenario.New(law.Config, 6, 1000+seed)
		policy.Start(s)
		share, next, busy := make([]float64, 6), make([]float64, 6), make([]float64, 6)
		for w := range share {
			share[w] = 1. / 6
		}
		for at := range s.Windows - 1 {
			s.Busy(at, share, busy)
			policy.Decide(&scenario.Measured{Share: share, Seen: share, Busy: busy, Queue: make([]float64, 6)}, next)
			copy(share, next)
			mean := 0.0
			for w, v := range share {
				mean += math.Log(v/s.SpeedsAt(at + 1)[w]) / 6
			}
			for w, std := range policy.Uncertainty() {
				off := math.Log(share[w]/s.SpeedsAt(at + 1)[w]) - mean
				after[busy[w] == busy[w]] += std
				count[busy[w] == busy[w]]++
				if at > scenario.FirstWindows {
					score += off * off / (std * std)
					n++
				}
			}
		}
	}
	if ratio := score / n; ratio < 0.5 || ratio > 2 {
		t.Errorf("squared deviations are %.2f of the stated variances", ratio)
	}
	if measured, missing := after[true]/count[true], after[false]/count[false]; !(missing > measured) {
		t.Errorf("%.3f is stated of measured workers, %.3f of others", measured, missing)
	}
}

// The penalty drives what corrections and hedges have in common to 0, and changes no capacity.
func TestCommonIsPenalised(t *testing.T) {
	common := func(weight float64) (mean float64) {
		cfg := tinyCapacity()
		cfg.Common, cfg.Rate, cfg.Muon = weight, [2]float64{2e-2, 2e-2}, false
		trainer, err := NewModelTrainer(cfg, 1)
		if err != nil {
			t.Fatal(err)
		}
		trainer.net.Views(trainer.params.W)[nn.HeadBias].V[1] = 1.5 // a common correction
		learn(t, trainer, 60)
		g := rolloutOf(trainer, trainer.cfg.Scenarios.New(6, 9), 20)
		a := g.tape.At(g.tape.A, 30, trainer.net.Actions)
		for row := range a.Rows {
			mean += float64(a.V[row*a.Cols+1]) / float64(a.Rows)
		}
		return mean
	}
	if free, driven := common(0), common(1); math.Abs(driven) > math.Abs(free)/2 {
		t.Errorf("the common correction is %.3f, without a penalty %.3f", driven, free)
	}
}

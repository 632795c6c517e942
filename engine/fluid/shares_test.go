package fluid

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/policy/scenario"
)

// TestSharesEnvIsTheJob: without windows and routes, the job in closed form measures what
// it does with them, noise and delay included.
func TestSharesEnvIsTheJob(t *testing.T) {
	c := Default([]float64{1, 0.5, 1, 2})
	c.Keys = ZipfKeys(100, 1.5, policy.SlotCount(4))
	c.Records, c.HotKeys, c.Noise, c.Delay = 1e9, 20, 0.1, 2
	const hot = 6
	mask := policy.NewMask(c.Keys.Weights()[:hot], 4, policy.MaskConfig{TrueHot: 4})
	model, err := NewSharesEnv(c, SharesConfig{Observation: policy.Observation{Mask: mask}, HotKeys: hot, P0: policy.DefaultP0})
	if err != nil {
		t.Fatal(err)
	}
	job, err := NewJob(c)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 1))
	s := policy.Shares{Mask: mask, Hot: c.Keys.Keys()[:hot]}
	action, obs := make([]float64, mask.Pairs()), make([]float64, 8)
	for step := range 50 {
		for i := range action {
			action[i] = rng.Float64()
		}
		r, err := s.Route(action)
		if err != nil {
			t.Fatal(err)
		}
		r.Version = uint64(step + 1)
		if err := job.Apply(policy.Decision{Route: r}); err != nil {
			t.Fatal(err)
		}
		w, err := job.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		imbalance, _, backpressured := model.Step(action, obs)
		counts := make([]float64, 4)
		for i, n := range w.Counts {
			counts[i] = float64(n)
		}
		want := new(policy.Observation).Of(nil, &policy.Seen{Counts: counts, Busy: w.Busy})
		for i := range want {
			if math.Abs(obs[i]-want[i]) > 1e-6 {
				t.Fatalf("step %d: observed %v, of the job's window %v", step, obs, want)
			}
		}
		if math.Abs(imbalance-policy.Imbalance(w.Busy)) > 1e-9 || math.Abs(backpressured-w.Backpressured) > 1e-9 {
			t.Fatalf("step %d: imbalance %v, backpressure %v; the job: imbalance %v, backpressure %v", step, imbalance, backpressured, policy.Imbalance(w.Busy), w.Backpressured)
		}
	}
}

// TestAdaptiveEnvIsTheJob: after the first windows, what the job in closed form says of workers
// and keys is what a controller estimates from the windows of the job.
func TestAdaptiveEnvIsTheJob(t *testing.T) {
	c := Default([]float64{1, 0.5, 1, 2})
	c.Keys = ZipfKeys(100, 1.5, policy.SlotCount(4))
	c.Records, c.HotKeys = 1e9, 20
	const hot = 6
	spec := &checkpoint.SharesSpec{
		Workers: 4, Mask: policy.NewMask(c.Keys.Weights()[:hot], 4, policy.MaskConfig{TrueHot: 4}).Keys,
		HotKeys: hot, KeyShares: []float64{0.3, 0.2, 0.1, 0.1}, Observation: policy.AdaptiveObservation,
	}
	o := spec.Observes()
	model, err := NewSharesEnv(c, SharesConfig{Observation: o, HotKeys: hot, P0: policy.DefaultP0})
	if err != nil {
		t.Fatal(err)
	}
	job, err := NewJob(c)
	if err != nil {
		t.Fatal(err)
	}
	view := learned.NewSharesView(spec, nil, learned.Default())
	rng := rand.New(rand.NewPCG(3, 1))
	s := policy.Shares{Mask: o.Mask, Hot: c.Keys.Keys()[:hot]}
	action, obs := make([]float64, o.Mask.Pairs()), make([]float64, o.Size())
	for step := range 12 {
		for i := range action {
			action[i] = rng.Float64()
		}
		r, err := s.Route(action)
		if err != nil {
			t.Fatal(err)
		}
		r.Version = uint64(step + 1)
		if err := job.Apply(policy.Decision{Route: r}); err != nil {
			t.Fatal(err)
		}
		w, err := job.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		model.Step(action, obs)
		if !view.Observe(w) {
			t.Fatal("the view cannot decide")
		}
		for i, v := range view.Observation(nil, w) {
			if math.Abs(obs[i]-float64(v)) > 2e-3 {
				t.Fatalf("step %d: number %d is %v, of the job's windows %v", step, i, obs[i], v)
			}
		}
	}
}

// TestVaryingEnv: draws change speeds and loads, a window is known once one since the draw has
// been measured, and a restored job draws as the saved one.
func TestVaryingEnv(t *testing.T) {
	c := Default([]float64{1, 0.5, 1, 2})
	c.Keys = ZipfKeys(100, 1.5, policy.SlotCount(4))
	c.Delay, c.Noise = 1, 0.1
	mask := policy.NewMask(c.Keys.Weights()[:6], 4, policy.MaskConfig{TrueHot: 4})
	config := SharesConfig{
		Observation: policy.Observation{Mask: mask, Trained: c.Keys.Weights()[:4]}, HotKeys: 6, P0: policy.DefaultP0,
		Vary: scenario.DefaultVariety(),
	}
	open := func() *SharesEnv {
		e, err := NewSharesEnv(c, config)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e, again := open(), open()
	action := make([]float64, mask.Pairs())
	obs, twin := make([]float64, e.Observations()), make([]float64, e.Observations())
	speeds, hot, draws := slices.Clone(e.model.speeds), slices.Clone(e.hot), 0
	for step := range 40 {
		data, err := e.MarshalBinary()
		if err == nil {
			err = again.UnmarshalBinary(data)
		}
		if err != nil {
			t.Fatal(err)
		}
		e.Step(action, obs)
		again.Step(action, twin)
		if !slices.Equal(obs, twin) {
			t.Fatalf("step %d: %v, restored %v", step, obs, twin)
		}
		if drawn := !slices.Equal(speeds, e.model.speeds); drawn != (step%4 == 0) || drawn == slices.Equal(hot, e.hot) {
			t.Fatalf("step %d: drawn: %v", step, drawn)
		} else if drawn {
			draws++
		}
		copy(speeds, e.model.speeds)
		copy(hot, e.hot)
		// Draws are in steps 0, 4, 8; a step measures the window before. The decision for window
		// 6 is the first that has seen window 4.
		if want := max(0, step-1)%4 >= 2; e.Known() != want {
			t.Fatalf("step %d: known: %v", step, e.Known())
		}
	}
	first := slices.Clone(obs)
	e.Reset()
	for range 40 {
		e.Step(action, obs)
	}
	if draws != 10 || !slices.Equal(obs, first) {
		t.Errorf("%d draws; after a reset %v, before %v", draws, obs, first)
	}
	config.Vary.Every = 2
	if _, err := NewSharesEnv(c, config); err == nil || !strings.Contains(err.Error(), "draw every 3 or more") {
		t.Errorf("draws that are over before they are measured: %v", err)
	}
	config.Vary.Every = 4
	e = open()
	if err := e.UnmarshalBinary([]byte(`{"Hot":[1]}`)); err == nil || !strings.Contains(err.Error(), "1 hot keys") {
		t.Errorf("a state of other keys: %v", err)
	}
}

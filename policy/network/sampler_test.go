package network

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestSampler compares with the network's most likely action, and the spread of what
// is drawn with the head's standard deviations.
func TestSampler(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	draw := func(name string, shape ...int) Tensor {
		n := 1
		for _, d := range shape {
			n *= d
		}
		tn := Tensor{Name: name, Shape: shape, Data: make([]float32, n)}
		for i := range tn.Data {
			tn.Data[i] = float32(rng.NormFloat64() * 0.3)
		}
		return tn
	}
	const obs, act = 4, 3
	// A head that is wider than all other layers.
	tensors := []Tensor{draw("0.weight", 1, obs, 5), draw("0.bias", 1, 5), draw("1.weight", 1, 5, 2*act), draw("1.bias", 1, 2*act)}
	tensors[3].Data[act], tensors[3].Data[act+1], tensors[3].Data[act+2] = -9, -1, 9 // below, within and beyond the bounds
	clear(tensors[2].Data)
	s, err := NewSampler(tensors, obs, act)
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMLP(tensors, obs, act)
	if err != nil {
		t.Fatal(err)
	}
	in, got, want := draw("x", obs).Data, make([]float32, act), make([]float32, act)
	s.Act(in, got, nil)
	m.Forward(in, want)
	for i := range want {
		if math.Abs(float64(got[i]-want[i])) > 1e-6 {
			t.Errorf("most likely action %v, the network's %v", got, want)
		}
	}
	const draws = 20_000
	var squares [act]float64
	for range draws {
		s.Act(in, got, rng.NormFloat64)
		for i, a := range got {
			d := math.Atanh(min(max(float64(a), -1+1e-12), 1-1e-12)) - math.Atanh(float64(want[i]))
			squares[i] += d * d / draws
		}
	}
	for i, std := range []float64{math.Exp(-5), math.Exp(-1)} { // the third is beyond what float32 keeps apart from ±1
		if got := math.Sqrt(squares[i]); math.Abs(got/std-1) > 0.03 {
			t.Errorf("number %d is drawn with a standard deviation of %v, want %v", i, got, std)
		}
	}
	if a := testing.AllocsPerRun(10, func() { s.Act(in, got, rng.NormFloat64) }); a != 0 {
		t.Errorf("drawing allocates %v times", a)
	}
	if _, err := NewSampler(tensors[:2], obs, act); err == nil {
		t.Error("a network without its head is taken")
	}
}

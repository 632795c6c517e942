package dataset

import "math"

// Moments are those of one element of observations or actions, or of the rewards.
type Moments struct {
	Mean float64 `json:"mean"`
	Std  float64 `json:"std"` // of the population
	Min  float64 `json:"min"`
	Max  float64 `json:"max"`
}

// Stats describe transitions.
type Stats struct {
	Rows   int       `json:"rows"`
	Obs    []Moments `json:"obs"` // [O]
	Act    []Moments `json:"act"` // [A]
	Reward Moments   `json:"reward"`
}

// Normal is a normalisation of observations: x becomes (x - Mean) / Scale. A policy
// trained behind one needs it wherever it acts.
type Normal struct {
	Mean  []float32 `json:"mean"`  // [O]
	Scale []float32 `json:"scale"` // [O], above 0
}

// steady is the standard deviation below which a number counts as constant. Such a number
// is centred but not scaled.
const steady = 1e-6

// Normal gives each number of an observation mean 0 and standard deviation 1 over
// the transitions described.
func (s *Stats) Normal() Normal {
	n := Normal{Mean: make([]float32, len(s.Obs)), Scale: make([]float32, len(s.Obs))}
	for i, m := range s.Obs {
		n.Mean[i], n.Scale[i] = float32(m.Mean), float32(m.Std)
		if m.Std < steady {
			n.Scale[i] = 1
		}
	}
	return n
}

// Apply normalises observations, one after the other, in place.
func (n *Normal) Apply(obs []float32) {
	for len(obs) > 0 {
		for i, m := range n.Mean {
			obs[i] = (obs[i] - m) / n.Scale[i]
		}
		obs = obs[len(n.Mean):]
	}
}

// moments sums numbers up by Welford's recurrence, which loses no digits where the
// mean is large against the deviation.
type moments struct {
	n, mean, sq, least, most float64
}

func (m *moments) add(v float64) {
	if m.n == 0 {
		m.least, m.most = v, v
	}
	m.n++
	d := v - m.mean
	m.mean += d / m.n
	m.sq += d * (v - m.mean)
	m.least, m.most = min(m.least, v), max(m.most, v)
}

func (m *moments) result() Moments {
	if m.n == 0 {
		return Moments{}
	}
	return Moments{Mean: m.mean, Std: math.Sqrt(m.sq / m.n), Min: m.least, Max: m.most}
}

// tallies sum up transitions.
type tallies struct {
	obs, act []moments
	reward   moments
}

func newTallies(w Widths) tallies {
	return tallies{obs: make([]moments, w.Obs), act: make([]moments, w.Act)}
}

func (t *tallies) add(r *Row) {
	for i, v := range r.Obs {
		t.obs[i].add(float64(v))
	}
	for i, v := range r.Act {
		t.act[i].add(float64(v))
	}
	t.reward.add(float64(r.Reward))
}

func (t *tallies) result() Stats {
	s := Stats{Rows: int(t.reward.n), Reward: t.reward.result()}
	for i := range t.obs {
		s.Obs = append(s.Obs, t.obs[i].result())
	}
	for i := range t.act {
		s.Act = append(s.Act, t.act[i].result())
	}
	return s
}

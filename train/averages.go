package train

// Averages accumulates the stats of updates for a row of metrics.
type Averages map[string]*mean

type mean struct{ sum, n float64 }

// Add adds the stats of an update.
func (a Averages) Add(s Stats) {
	for name, v := range s.Values {
		if a[name] == nil {
			a[name] = &mean{}
		}
		a[name].sum += v
		a[name].n++
	}
}

// Take returns the means of the stats by metric name, and resets a.
func (a Averages) Take() map[string]float64 {
	values := map[string]float64{}
	for name, m := range a {
		values[name] = m.sum / m.n
	}
	clear(a)
	return values
}

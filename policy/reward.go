package policy

// DefaultP0 is the performance at which the published reward is 0.
const DefaultP0 = 0.6

// NMAD is the mean absolute deviation over the mean (docs/algorithms.md, "Measures"). It is 0
// if all are equal. Unmeasured workers (NaN) are left out; without any worker, or with only
// zeros, it is 0.
func NMAD(busy []float64) float64 {
	sum, n := 0.0, 0
	for _, b := range busy {
		if b == b {
			sum += b
			n++
		}
	}
	if sum == 0 {
		return 0
	}
	mean, dev := sum/float64(n), 0.0
	for _, b := range busy {
		switch {
		case b > mean:
			dev += b - mean
		case b < mean:
			dev += mean - b
		}
	}
	return dev / sum
}

// Perf returns the performance of a window, (imbalance + NMAD) / 2 of the busy ratios: 0 is
// perfect, smaller is better.
func Perf(busy []float64) float64 { return (Imbalance(busy) + NMAD(busy)) / 2 }

// Reward returns the reward of a performance (docs/algorithms.md, "The decision process").
// p0 > 0 is the performance whose reward is 0:
//
//	f = (p0 - perf) / p0
//	reward = (1+f)^2 - 1 if f > 0, else -((1-f)^2 - 1)
//
// It is 3 at perf 0, 0 at p0, and falls with the square of the difference beyond.
func Reward(perf, p0 float64) float64 {
	f := (p0 - perf) / p0
	if f > 0 {
		return (1+f)*(1+f) - 1
	}
	return 1 - (1-f)*(1-f)
}

package train

import "github.com/saspart/saspart/runlog"

// Averages accumulates the stats of updates for a row of metrics.
type Averages struct {
	n   int
	sum Stats
}

// Add adds the stats of an update.
func (a *Averages) Add(s Stats) {
	a.n++
	a.sum.TD += s.TD
	a.sum.Loads += s.Loads
	a.sum.CQL += s.CQL
	a.sum.Value += s.Value
	a.sum.Diversity += s.Diversity
	a.sum.Q += s.Q
	a.sum.Target += s.Target
	a.sum.Actor += s.Actor
	a.sum.Entropy += s.Entropy
	a.sum.Alpha += s.Alpha
	a.sum.Imitation += s.Imitation
	a.sum.CriticNorm += s.CriticNorm
	a.sum.ActorNorm += s.ActorNorm
	a.sum.PolicyValue += s.PolicyValue
}

// Take returns the means of the stats that the algorithm computes, by metric name, and
// resets a.
func (a *Averages) Take(c *Config) map[string]float64 {
	s, n := a.sum, float64(a.n)
	*a = Averages{}
	if n == 0 {
		return map[string]float64{}
	}
	values := map[string]float64{runlog.LossActor: s.Actor / n, runlog.GradActor: s.ActorNorm / n}
	if c.Algorithm == BC || c.CloneUpdates > 0 {
		values[runlog.LossClone] = s.Imitation / n
	}
	if !c.Algorithm.Values() {
		return values
	}
	values[runlog.LossCritic], values[runlog.GradCritic] = s.TD/n, s.CriticNorm/n
	values[runlog.ValueData], values[runlog.ValueTarget], values[runlog.ValuePolicy] = s.Q/n, s.Target/n, s.PolicyValue/n
	values[runlog.Alpha], values[runlog.Entropy] = s.Alpha/n, s.Entropy/n
	if c.LoadsRate > 0 {
		values[runlog.LossLoads] = s.Loads / n
	}
	switch c.Algorithm {
	case CQL:
		values[runlog.LossCQL] = s.CQL / n
	case CalQL:
		values[runlog.LossCQL], values[runlog.LossValue] = s.CQL/n, s.Value/n
	case IQL:
		values[runlog.LossValue] = s.Value / n
	case EDAC:
		values[runlog.LossDiversity] = s.Diversity / n
	case TD3BC:
		values[runlog.LossClone] = s.Imitation / n
	}
	return values
}

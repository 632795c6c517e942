package train

import "github.com/saspart/saspart/runlog"

// Metrics lists the names of what a training from traces measures, in the order of
// the columns of metrics.csv.
func Metrics() []string {
	return []string{
		runlog.LossCritic, runlog.LossLoads, runlog.LossCQL, runlog.LossActor, runlog.LossClone,
		runlog.ValueData, runlog.ValueTarget, runlog.ValuePolicy, runlog.Alpha, runlog.Entropy,
		runlog.GradActor, runlog.GradCritic,
		runlog.HeldOutValue, runlog.HeldOutPolicy, runlog.ActionDistance, runlog.RecordedImbalance, runlog.Imbalance,
	}
}

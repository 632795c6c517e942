package train

import "github.com/saspart/saspart/runlog"

// Metrics lists the names of the metrics of a training from traces, in the order of the
// columns of metrics.csv.
func Metrics() []string {
	return []string{
		runlog.LossCritic, runlog.LossLoads, runlog.LossCQL, runlog.LossValue, runlog.LossDiversity, runlog.LossActor, runlog.LossClone,
		runlog.ValueData, runlog.ValueTarget, runlog.ValuePolicy, runlog.Alpha, runlog.Entropy,
		runlog.GradActor, runlog.GradCritic,
		runlog.HeldOutValue, runlog.HeldOutPolicy, runlog.ActionDistance, runlog.RecordedImbalance, runlog.Imbalance,
	}
}

// OnlineMetrics lists the names of the metrics of a training on a running job, in the
// order of the columns of metrics.csv.
func OnlineMetrics() []string {
	return []string{
		runlog.Imbalance, runlog.WorstImbalance, runlog.Reward,
		runlog.ExploreImbalance, runlog.ExploreReturn, runlog.ExploreBackpressure, runlog.Returns, runlog.Limited,
		runlog.LossCritic, runlog.LossLoads, runlog.LossCQL, runlog.LossValue, runlog.LossDiversity, runlog.LossActor, runlog.LossClone,
		runlog.ValueData, runlog.ValueTarget, runlog.ValuePolicy, runlog.Alpha, runlog.Entropy,
		runlog.GradActor, runlog.GradCritic, runlog.Updates, runlog.UpdateRate,
	}
}

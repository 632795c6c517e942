package train

import (
	"slices"

	"github.com/saspart/saspart/runlog"
)

// learnerMetrics are what algorithms report.
var learnerMetrics = []string{
	runlog.LossCritic, runlog.LossLoads, runlog.LossCQL, runlog.LossValue, runlog.LossDiversity, runlog.LossActor, runlog.LossClone,
	runlog.ValueData, runlog.ValueTarget, runlog.ValuePolicy, runlog.Alpha, runlog.Entropy, runlog.GradActor, runlog.GradCritic,
}

// Metrics lists the names of the metrics of a training from traces, in the order of the
// columns of metrics.csv.
func Metrics() []string {
	return append(slices.Clone(learnerMetrics),
		runlog.HeldOutValue, runlog.HeldOutPolicy, runlog.ActionDistance, runlog.RecordedImbalance, runlog.Imbalance)
}

// OnlineMetrics lists the names of the metrics of a training on a running job, in the
// order of the columns of metrics.csv.
func OnlineMetrics() []string {
	return append(append([]string{
		runlog.Imbalance, runlog.WorstImbalance, runlog.Reward,
		runlog.ExploreImbalance, runlog.ExploreReturn, runlog.ExploreBackpressure, runlog.Returns, runlog.Limited,
	}, learnerMetrics...), runlog.Updates, runlog.UpdateRate)
}

package train

import "github.com/saspart/saspart/runlog"

// Metrics lists the names of what a training from traces measures, in the order of
// the columns of metrics.csv.
func Metrics() []string {
	return []string{
		runlog.LossCritic, runlog.LossCQL, runlog.LossActor, runlog.LossClone,
		runlog.ValueData, runlog.ValueTarget, runlog.ValuePolicy, runlog.Alpha, runlog.Entropy,
		runlog.GradActor, runlog.GradCritic,
		runlog.HeldOutValue, HeldOutPolicy, runlog.ActionDistance, runlog.Imbalance,
	}
}

// HeldOutPolicy names the value that the critics give the policy's actions in
// held-out episodes; above runlog.HeldOutValue it is what they promise themselves of
// the policy.
const HeldOutPolicy = "heldout/values_policy"

package runlog

import "strings"

// Tag names a curve, in the form GROUP/NAME that TensorBoard groups by.
type Tag struct {
	Name  string // in metrics.csv and TensorBoard
	Title string // for people
	Help  string // what it is, one sentence
}

// Names of the curves of a training. The groups are those of the field's usual
// trainers; those below values and gradients come from held-out episodes,
// from runs of the policy and from the jobs that it explores.
const (
	LossCritic        = "losses/critic"
	LossLoads         = "losses/loads"
	LossCQL           = "losses/cql"
	LossValue         = "losses/value"
	LossDiversity     = "losses/diversity"
	LossActor         = "losses/actor"
	LossClone         = "losses/clone"
	ValueData         = "values/data"
	ValueTarget       = "values/target"
	ValuePolicy       = "values/policy"
	Alpha             = "policy/alpha"
	Entropy           = "policy/entropy"
	GradCritic        = "gradients/critic"
	GradActor         = "gradients/actor"
	UpdateRate        = "time/updates_per_second"
	HeldOutValue      = "heldout/values_data"
	HeldOutPolicy     = "heldout/values_policy"
	ActionDistance    = "heldout/action_distance"
	RecordedImbalance = "heldout/imbalance"
	Imbalance         = "rollout/imbalance"
	Reward            = "rollout/reward"

	WorstImbalance      = "rollout/imbalance_worst"
	ExploreImbalance    = "explore/imbalance"
	ExploreReturn       = "explore/return"
	ExploreBackpressure = "explore/backpressured"
	Returns             = "explore/returns"
	Limited             = "explore/limited"
	Updates             = "time/updates"
)

// Tags are the curves of a training, in the order in which they are shown.
func Tags() []Tag {
	return []Tag{
		{Imbalance, "Imbalance in rollouts", "Mean of (max - mean) / mean of the busy ratios when the policy runs a job; 0 is perfect."},
		{Reward, "Reward in rollouts", "Mean reward per window when the policy runs a job; at most 3."},
		{WorstImbalance, "Worst imbalance in rollouts", "Of the worst window of a rollout; the first windows do not count."},
		{ExploreImbalance, "Imbalance while exploring", "Mean of (max - mean) / mean of the busy ratios over the windows that were learned from."},
		{ExploreReturn, "Return while exploring", "Sum of the rewards over the last whole episode."},
		{ExploreBackpressure, "Backpressure while exploring", "Part of the time that the source was blocked."},
		{Returns, "Returns to the last good route", "How often since the start a window was beyond the limits and the last good route was restored."},
		{Limited, "Shortened steps", "How often since the start the route could not move as far as the policy wanted."},
		{ActionDistance, "Distance of actions to the data", "Root mean square, over held-out windows, of the policy's action less the data's, both in [-1, 1]."},
		{HeldOutValue, "Value of held-out actions", "The critics' estimate for the recorded actions of episodes that they were not trained on."},
		{HeldOutPolicy, "Value of the policy's actions there", "The critics' estimate for the policy's actions in the same windows; the difference to the data's is the gain they expect."},
		{LossCritic, "Loss of the critics", "Huber loss of the critics against their targets."},
		{LossLoads, "Loss of the loads", "Half the mean squared error of the critics' loads against measured busy ratios, both relative to their mean."},
		{LossCQL, "Conservative gap", "Soft maximum of the value over sampled actions less the value of the data's: how much better unseen actions seem."},
		{LossValue, "Loss of the states' values", "Of the network that estimates the value of a state under the behaviour: IQL's expectile loss, Cal-QL's squared error."},
		{LossDiversity, "Similarity of the critics", "Mean cosine between the critics' gradients by the action, times one less than their number."},
		{LossActor, "Loss of the policy", "What the algorithm minimises for the policy; of SAC-N the weighted log-probability less the value of the policy's own actions."},
		{LossClone, "Loss of cloning", "Minus the log-probability that the policy gives the data's actions; of TD3+BC the squared distance from them."},
		{ValueData, "Value of the data's actions", "Mean over the batch and the critics."},
		{ValueTarget, "Target of the values", "The critics' target: the reward and the discounted value of the next state."},
		{ValuePolicy, "Value of the policy's actions", "Least among the critics, mean over the batch."},
		{Alpha, "Weight of the entropy", "Alpha, adjusted so that the entropy approaches its target."},
		{Entropy, "Entropy of the policy", "Minus the mean log-probability of the policy's actions."},
		{GradCritic, "Gradient of the critics", "Its length before clipping."},
		{GradActor, "Gradient of the policy", "Its length before clipping."},
		{Updates, "Updates", "Gradient steps since the start."},
		{UpdateRate, "Updates per second", "Updates since the previous row, over the time that they took."},
	}
}

// Describe returns the description of a tag; an unknown one has its name as title.
func Describe(name string) Tag {
	for _, t := range Tags() {
		if t.Name == name {
			return t
		}
	}
	return Tag{Name: name, Title: name}
}

// validTag keeps tags fit for a CSV header, for TensorBoard and for a search.
func validTag(name string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./"
	return name != "" && name != colStep && name != colSeconds && strings.Trim(name, allowed) == ""
}

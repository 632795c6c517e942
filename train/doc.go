// Package train is what all learning of policies has in common: the settings of learners of
// the shares action, batches, metrics, and states that a training is gone on with from.
//
// sacn learns the shares action and capacity the capacity action; offline drives them from
// traces (recording, dataset) and online on a running job (replay). The learning itself
// needs libtorch and is behind the build tag torch: scripts/libtorch.sh installs libtorch,
// and `scripts/libtorch.sh exec go test -tags torch ./train/...` runs the tests.
package train

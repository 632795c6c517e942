// Package train holds what the trainings of all policies share: the settings of learners of
// the shares action, batches, metrics, and the state from which a training resumes.
//
// Packages shares and capacity train the shares and the capacity action. Package offline
// drives them with traces, package online on a running job, and package setup builds both
// from their configurations. Training needs libtorch and is behind the build tag torch:
// scripts/libtorch.sh installs libtorch, and
// `scripts/libtorch.sh exec go test -tags torch ./train/...` runs the tests.
package train

// Package train learns policies: SAC-N, CQL(H) on top of it, and behaviour cloning
// (reference.md, "The agent").
//
// Settings, batches and states are here for every build. The learning itself needs
// libtorch and is behind the build tag torch: scripts/libtorch.sh installs libtorch,
// and `scripts/libtorch.sh exec go test -tags torch ./train` runs the tests.
package train

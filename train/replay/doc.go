// Package replay remembers the transitions of a running job for the trainer to learn
// from, those it was most wrong about more often: prioritised experience replay
// (Schaul et al. 2016, arXiv 1511.05952), which SaSPartitioner uses too (docs/algorithms.md,
// "Published settings"). It is pure: no clock, no goroutine; randomness is the caller's.
package replay

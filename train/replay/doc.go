// Package replay keeps the transitions of a running job for the trainer. It draws those with
// larger errors more often: prioritised experience replay (Schaul et al. 2016, arXiv
// 1511.05952), which SaSPartitioner uses too (docs/algorithms.md, "Published settings"). It has
// no clock and no goroutine, and draws from the caller's generator.
package replay

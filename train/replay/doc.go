// Package replay stores what a training learns from while a job runs. Buffer is prioritised
// experience replay (Schaul et al. 2016, arXiv 1511.05952) for the shares action: it draws
// transitions with larger errors more often, as SaSPartitioner does (docs/algorithms.md,
// "Published settings"). Recordings stores windows for the capacity action. The package has
// no clock and no goroutine, and the caller provides the random generator.
package replay

package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Trial is what a partitioner did with the stream on P equal workers that were offered all that
// they can do.
type Trial struct {
	Partitioner string  `json:"partitioner"`
	Held        float64 `json:"held"`    // rate that was sent, as a part of what the workers can do
	FanOut      float64 `json:"fan_out"` // workers per key and window, whose partial results are merged
	Pairs       float64 `json:"pairs"`   // (key, worker) pairs with state
}

// Two partitioners are equally good if their rates differ by at most near. They are equally dear
// if their state differs by at most the part alike.
const (
	near  = 0.02
	alike = 0.05
)

// enough is the part of the workers' capacity from which hash is good enough: what others gain
// does not pay for merging.
const enough = 0.9

// Advice recommends a partitioner for a stream, in a sentence or two. Among the partitioners that
// hold the most it takes the one with the least state, and among equals the first.
func Advice(s Skew, trials []Trial) string {
	at := slices.IndexFunc(trials, func(t Trial) bool { return t.Partitioner == "hash" })
	if at < 0 || len(trials) < 2 {
		return ""
	}
	hash, best := trials[at], slices.MaxFunc(trials, func(a, b Trial) int { return cmp.Compare(a.Held, b.Held) })
	if hash.Held >= min(enough, best.Held-near) {
		return fmt.Sprintf("Keep partitioning by hash: it uses %.0f %% of %d workers, and nothing tried uses much more.", 100*hash.Held, s.Workers)
	}
	good := slices.DeleteFunc(slices.Clone(trials), func(t Trial) bool { return t.Held < best.Held-near })
	least := slices.MinFunc(good, func(a, b Trial) int { return cmp.Compare(a.Pairs, b.Pairs) }).Pairs
	best = good[slices.IndexFunc(good, func(t Trial) bool { return t.Pairs <= (1+alike)*least })]
	var b strings.Builder
	fmt.Fprintf(&b, "Use %s: it holds %.1f times the rate of hash on %d workers, with %.2f times the state.", best.Partitioner, best.Held/hash.Held, s.Workers, best.Pairs/hash.Pairs)
	switch {
	case s.Heavier > 0:
		fmt.Fprintf(&b, " %s heavier than a worker's fair part, so splitting is needed: the aggregation must be able to merge partial results.", count(s.Heavier, "key is", "keys are"))
	case best.FanOut > 1.001:
		b.WriteString(" No key is heavier than a worker's fair part: routes that keep keys whole (partitioner.waterfill.plan.max_workers_per_key=1) may be enough where results cannot be merged.")
	}
	return b.String()
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

package stream

import "testing"

// TestReplicas: two replicas of a stream draw different records of the same keys,
// which are as frequent in both.
func TestReplicas(t *testing.T) {
	const n = 20_000
	draw := func(replica uint64) ([]string, map[string]int) {
		cfg := DefaultSource()
		cfg.Keys, cfg.Exponent, cfg.Shuffle = 50, 1.5, true
		sources, err := OpenSources(cfg, SourceEnv{Subtasks: 1, Seed: 3, Replica: replica, Task: TaskCount})
		if err != nil {
			t.Fatal(err)
		}
		b := &Batch{}
		b.Resize(n)
		if _, err := sources[0].Fill(b); err != nil {
			t.Fatal(err)
		}
		var keys []string
		counts := map[string]int{}
		for _, r := range b.Records {
			keys = append(keys, r.Key)
			counts[r.Key]++
		}
		return keys, counts
	}
	first, counts := draw(0)
	second, others := draw(1)
	same, far := 0, 0
	for i := range first {
		if first[i] == second[i] {
			same++
		}
	}
	for key, c := range counts {
		if d := c - others[key]; d*d > 40*(c+others[key]) { // six standard deviations
			far++
		}
	}
	if same > n/2 || far > 0 {
		t.Errorf("%d of %d records are the same, %d keys are more frequent in one than in the other", same, n, far)
	}
}

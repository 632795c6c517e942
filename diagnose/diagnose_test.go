package diagnose

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// counted counts the given keys.
func counted(workers int, keys []string) Skew {
	c := NewCounter(workers)
	var b stream.Batch
	for len(keys) > 0 {
		n := min(len(keys), 100)
		b.Resize(128) // of which n have been filled in
		for i, k := range keys[:n] {
			b.Records[i].Key, b.Records[i].Hash = k, stream.Hash(k)
		}
		c.Add(&b, n)
		keys = keys[n:]
	}
	return c.Skew()
}

// A Counter has what counting all keys in a map has, as far as it is exact.
func TestSkew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := rapid.IntRange(1, 100).Draw(t, "workers")
		keys := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "a", "a", "b", "c", "d", "", "é", "x\x00"}), 1, 1000).Draw(t, "keys")
		s := counted(workers, keys)
		counts, loads := map[string]int{}, make([]int, workers)
		most, busiest, heavier := 0, 0, 0
		route := policy.HashRoute(workers)
		for _, k := range keys {
			counts[k]++
			most = max(most, counts[k])
			w := route.Slots[policy.SlotOf(stream.Hash(k), len(route.Slots))]
			loads[w]++
			busiest = max(busiest, loads[w])
		}
		for _, n := range counts {
			if n*workers > len(keys) {
				heavier++
			}
		}
		n, p := float64(len(keys)), float64(workers)
		if s.Records != int64(len(keys)) || int(s.Keys+0.5) != len(counts) || s.Heavier != heavier {
			t.Fatalf("%+v; %d records of %d keys, %d of them heavier", s, len(keys), len(counts), heavier)
		}
		if math.Abs(s.Hash-float64(busiest)*p/n) > 1e-9 || math.Abs(s.KeptWhole-max(1, float64(most)*p/n)) > 1e-9 {
			t.Fatalf("%+v; the busiest worker has %d, the heaviest key %d", s, busiest, most)
		}
		for i, k := range s.Heavy {
			if got := float64(counts[k.Name]) / n; math.Abs(k.Part-got) > 1e-9 || i > 0 && k.Part > s.Heavy[i-1].Part {
				t.Fatalf("key %d, %q, has %v of the records, not %v", i, k.Name, got, k.Part)
			}
		}
	})
}

// Of more keys than counters the heaviest are right to 1/16,384 of the records, and the number
// of keys to about a hundredth.
func TestManyKeys(t *testing.T) {
	var keys []string
	for i := range 300_000 {
		keys = append(keys, fmt.Sprint(i))
		if i%10 == 0 {
			keys = append(keys, "hot")
		}
	}
	s := counted(8, keys)
	if math.Abs(s.Keys/300_001-1) > 0.01 {
		t.Errorf("about %.0f keys of 300,001", s.Keys)
	}
	if k := s.Heavy[0]; k.Name != "hot" || math.Abs(k.Part-1.0/11) > 1.0/counters {
		t.Errorf("%+v", k)
	}
	if s := counted(8, nil); s.Records != 0 || s.Hash != 1 || s.KeptWhole != 1 {
		t.Errorf("without records: %+v", s)
	}
}

func TestAdvice(t *testing.T) {
	trial := func(name string, held, pairs float64) Trial { return Trial{name, held, 1.1, pairs} }
	for _, c := range []struct {
		why    string
		skew   Skew
		trials []Trial
		want   string
	}{
		{"hash is as good as others", Skew{Workers: 8}, []Trial{trial("hash", 0.95, 10), trial("fish", 1, 20)}, "Keep partitioning by hash: it uses 95 %"},
		{"nothing is much better", Skew{Workers: 8}, []Trial{trial("hash", 0.6, 10), trial("fish", 0.61, 20)}, "Keep partitioning by hash"},
		{"of those that hold the most, the least state", Skew{Workers: 8, Heavier: 1}, []Trial{trial("hash", 0.5, 10), trial("fish", 1, 20), trial("waterfill", 0.99, 12)}, "Use waterfill: it holds 2.0 times the rate of hash on 8 workers, with 1.20 times the state. 1 key is heavier"},
		{"the first of about equal state", Skew{Workers: 8, Heavier: 2}, []Trial{trial("hash", 0.5, 10), trial("waterfill", 1, 12.1), trial("saspartitioner", 1, 12)}, "Use waterfill"},
		{"little state alone does not make it", Skew{Workers: 8, Heavier: 2}, []Trial{trial("hash", 0.5, 10), trial("pkg", 0.8, 11), trial("fish", 1, 20)}, "Use fish"},
		{"no key needs to be split", Skew{Workers: 8}, []Trial{trial("hash", 0.5, 10), trial("waterfill", 1, 12)}, "max_workers_per_key=1"},
		{"hash was not tried", Skew{Workers: 8}, []Trial{trial("fish", 1, 20), trial("pkg", 1, 20)}, ""},
	} {
		if got := Advice(c.skew, c.trials); !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: %q; it must contain %q", c.why, got, c.want)
		}
	}
}

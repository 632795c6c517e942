package stream

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// syntheticKinds are a source of each kind, small.
func syntheticKinds() []SourceConfig {
	var out []SourceConfig
	for _, kind := range []string{KindZipf, KindZipfSequence, KindDrift} {
		cfg := DefaultSource()
		cfg.Kind, cfg.Keys = kind, 50
		cfg.Sequence.Interval, cfg.Sequence.Reshuffle = 10*time.Millisecond, true
		cfg.Drift.Period = 10 * time.Millisecond
		cfg.Sentences.Vocabulary = 20
		out = append(out, cfg)
	}
	return out
}

// draw fills n records that are gap apart, size at a time.
func draw(tb testing.TB, s Source, n, size int, gap time.Duration) []Record {
	tb.Helper()
	var out []Record
	b := new(Batch)
	for len(out) < n {
		b.Resize(min(size, n-len(out)))
		for i := range b.Records {
			b.Records[i] = Record{Text: "stale", Values: []float64{1}, Time: int64(len(out)+i) * int64(gap)}
		}
		got, err := s.Fill(b)
		if err != nil || got != len(b.Records) {
			tb.Fatalf("Fill = %d, %v, want %d", got, err, len(b.Records))
		}
		for i, r := range b.Records {
			if b.Hashes[i] != r.Hash || r.Hash != Hash(r.Key) {
				tb.Fatalf("key %q: hash %#x in the column, %#x in the record, want %#x", r.Key, b.Hashes[i], r.Hash, Hash(r.Key))
			}
		}
		out = append(out, b.Records...)
	}
	return out
}

func openAll(tb testing.TB, cfg SourceConfig, env SourceEnv) []Source {
	tb.Helper()
	s, err := OpenSources(cfg, env)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// The same seed gives the same records however they are batched, another seed
// or subtask others.
func TestSyntheticDeterminism(t *testing.T) {
	for _, cfg := range syntheticKinds() {
		for _, task := range TaskNames() {
			t.Run(cfg.Kind+"/"+task, func(t *testing.T) {
				env := SourceEnv{Subtasks: 2, Seed: 7, Task: task}
				first := draw(t, openAll(t, cfg, env)[0], 600, 600, 100*time.Microsecond)
				again := draw(t, openAll(t, cfg, env)[0], 600, 7, 100*time.Microsecond)
				if !reflect.DeepEqual(first, again) { // cmp looks for the shortest difference, which takes seconds
					t.Error("batches of 7 instead of 600 change the records")
				}
				if other := draw(t, openAll(t, cfg, env)[1], 600, 600, 100*time.Microsecond); reflect.DeepEqual(first, other) {
					t.Error("two subtasks have the same records")
				}
				env.Seed = 8
				if other := draw(t, openAll(t, cfg, env)[0], 600, 600, 100*time.Microsecond); reflect.DeepEqual(first, other) {
					t.Error("two seeds give the same records")
				}
			})
		}
	}
}

// Only the payload that the task reads is filled in, and the batch keeps nothing of its
// previous records.
func TestSyntheticPayload(t *testing.T) {
	for _, cfg := range syntheticKinds() {
		cfg.Sentences.Words, cfg.Values.PerRecord = 5, 3
		for _, r := range draw(t, openOne(t, cfg, TaskCount), 100, 100, time.Microsecond) {
			if r.Text != "" || r.Values != nil {
				t.Fatalf("%s: count got a payload: %+v", cfg.Kind, r)
			}
		}
		for _, r := range draw(t, openOne(t, cfg, TaskWordcount), 100, 100, time.Microsecond) {
			if countWords(r.Text) != 5 || r.Values != nil {
				t.Fatalf("%s: wordcount got %+v, want a sentence of 5 words", cfg.Kind, r)
			}
		}
		for _, r := range draw(t, openOne(t, cfg, TaskTDigest), 100, 100, time.Microsecond) {
			if r.Text != "" || len(r.Values) != 3 || cap(r.Values) != 3 || slices.ContainsFunc(r.Values, func(v float64) bool { return math.IsNaN(v - v) }) {
				t.Fatalf("%s: tdigest got %+v, want 3 numbers", cfg.Kind, r)
			}
		}
	}
}

// Values of one key vary by within, the means of keys by between.
func TestSyntheticValues(t *testing.T) {
	cfg := DefaultSource()
	cfg.Keys, cfg.Exponent = 64, 0
	cfg.Values = ValueConfig{PerRecord: 4, Mean: 1000, Between: 100, Within: 1}
	sum, n := map[string]float64{}, map[string]float64{}
	for _, r := range draw(t, openOne(t, cfg, TaskTDigest), 64_000, 512, time.Microsecond) {
		for _, v := range r.Values {
			sum[r.Key] += v
			n[r.Key]++
		}
	}
	lo, hi, total := math.Inf(1), math.Inf(-1), 0.0
	for k := range sum {
		mean := sum[k] / n[k]
		lo, hi, total = min(lo, mean), max(hi, mean), total+mean
	}
	if mean := total / 64; math.Abs(mean-1000) > 60 || hi-lo < 200 || hi-lo > 800 {
		t.Errorf("means of the keys from %v to %v, on average %v; want some standard deviations of 100 around 1000", lo, hi, mean)
	}
}

func TestSyntheticAllocatesNothing(t *testing.T) {
	for _, cfg := range syntheticKinds() {
		for _, task := range TaskNames() {
			s, b := openOne(t, cfg, task), testBatch(256, int64(time.Millisecond))
			if n := testing.AllocsPerRun(20, func() { _, _ = s.Fill(b) }); n != 0 {
				t.Errorf("%s for %s: Fill allocates %v times", cfg.Kind, task, n)
			}
		}
	}
}

// The subtasks share their tables, and may run at the same time.
func TestSubtasksAtOnce(t *testing.T) {
	for _, cfg := range syntheticKinds() {
		env := SourceEnv{Subtasks: 4, Seed: 1, Task: TaskWordcount}
		alone, together := openAll(t, cfg, env), openAll(t, cfg, env)
		got := make([][]Record, env.Subtasks)
		var wait sync.WaitGroup
		for s := range got {
			wait.Go(func() { got[s] = draw(t, together[s], 500, 64, 100*time.Microsecond) })
		}
		wait.Wait()
		for s := range got {
			if d := cmp.Diff(draw(t, alone[s], 500, 64, 100*time.Microsecond), got[s]); d != "" {
				t.Errorf("%s: subtask %d alone (-) and with others (+):\n%s", cfg.Kind, s, d)
			}
		}
	}
}

func TestKeyNames(t *testing.T) {
	for _, c := range []struct {
		n           int
		first, last string
	}{
		{1, "key-0", "key-0"},
		{10, "key-0", "key-9"},
		{11, "key-00", "key-10"},
		{10_000, "key-0000", "key-9999"},
	} {
		keys := newKeys(c.n)
		if keys[0].name != c.first || keys[c.n-1].name != c.last {
			t.Errorf("%d keys are named %s to %s, want %s to %s", c.n, keys[0].name, keys[c.n-1].name, c.first, c.last)
		}
	}
}

// With shuffle the keys are the same, their order by frequency another.
func TestShuffle(t *testing.T) {
	cfg := DefaultSource()
	cfg.Keys = 20
	plain := rank(draw(t, openOne(t, cfg, TaskCount), 50_000, 512, time.Microsecond))
	if plain[0] != "key-00" || plain[1] != "key-01" {
		t.Errorf("without shuffle the most frequent keys are %v, want key-00 and key-01", plain[:2])
	}
	cfg.Shuffle = true
	shuffled := rank(draw(t, openOne(t, cfg, TaskCount), 50_000, 512, time.Microsecond))
	if slices.Equal(plain, shuffled) {
		t.Error("shuffle does not change the order of the keys")
	}
	slices.Sort(plain)
	slices.Sort(shuffled)
	if !slices.Equal(plain, shuffled) {
		t.Errorf("shuffle changes the keys: %v, then %v", plain, shuffled)
	}
}

// rank lists the keys of records by count, descending.
func rank(records []Record) []string {
	n := map[string]int{}
	var keys []string
	for _, r := range records {
		if n[r.Key]++; n[r.Key] == 1 {
			keys = append(keys, r.Key)
		}
	}
	slices.SortFunc(keys, func(a, b string) int { return n[b] - n[a] })
	return keys
}

// share is the part of the records that have the key.
func share(records []Record, key string) float64 {
	n := 0
	for _, r := range records {
		if r.Key == key {
			n++
		}
	}
	return float64(n) / float64(len(records))
}

// The exponents of a sequence take turns at event times; without reshuffle the
// same key stays the most frequent.
func TestSequence(t *testing.T) {
	cfg := DefaultSource()
	cfg.Kind, cfg.Keys = KindZipfSequence, 100
	cfg.Sequence = SequenceConfig{Exponents: []float64{0.5, 2}, Interval: time.Second}
	records := draw(t, openOne(t, cfg, TaskCount), 40_000, 333, 100*time.Microsecond) // four phases
	for phase := range 4 {
		want := ZipfPMF(100, cfg.Sequence.Exponents[phase%2])[0]
		if got := share(records[phase*10_000:(phase+1)*10_000], "key-00"); math.Abs(got-want) > 0.02 {
			t.Errorf("phase %d: the first key has share %v, want %v", phase, got, want)
		}
	}
}

// With reshuffle another key becomes the most frequent, the same one for every
// subtask.
func TestReshuffle(t *testing.T) {
	cfg := DefaultSource()
	cfg.Kind, cfg.Keys = KindZipfSequence, 100
	cfg.Sequence = SequenceConfig{Exponents: []float64{2}, Interval: time.Second, Reshuffle: true}
	top := map[int]string{}
	for s, source := range openAll(t, cfg, SourceEnv{Subtasks: 2, Seed: 1, Task: TaskCount}) {
		records := draw(t, source, 3000, 100, time.Millisecond)
		for phase := range 3 {
			key := rank(records[phase*1000 : (phase+1)*1000])[0]
			if s == 0 {
				top[phase] = key
			} else if key != top[phase] {
				t.Errorf("phase %d: the top key is %s for one subtask, %s for the other", phase, top[phase], key)
			}
		}
	}
	if top[0] != "key-00" || top[0] == top[1] || top[1] == top[2] {
		t.Errorf("top keys by phase: %v; want key-00 first and then others", top)
	}
}

func TestDriftProbability(t *testing.T) {
	d := &drift{low: 0.001, high: 0.03, period: 1000}
	for _, c := range []struct {
		t    int64
		want float64
	}{{0, 0.001}, {250, 0.0155}, {500, 0.03}, {750, 0.0155}, {999, 0.001058}} {
		if got := d.probability(c.t); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("at %d of 1000 the probability is %v, want %v", c.t, got, c.want)
		}
	}
}

// The drifting key's share follows its probability, in the second period as in
// the first, while the others keep their proportions.
func TestDrift(t *testing.T) {
	cfg := DefaultSource()
	cfg.Kind, cfg.Keys, cfg.Drift = KindDrift, 101, DriftConfig{Low: 0, High: 0.4, Period: time.Second}
	records := draw(t, openOne(t, cfg, TaskCount), 80_000, 512, 25*time.Microsecond) // two periods
	for eighth := range 8 {
		part := records[eighth*10_000 : (eighth+1)*10_000]
		want := []float64{0.1, 0.3, 0.3, 0.1}[eighth%4]
		got := share(part, driftingKey)
		if math.Abs(got-want) > 0.02 {
			t.Errorf("quarter %d: the drifting key has share %v, want %v", eighth, got, want)
		}
		if other := share(part, "key-00") / (1 - got); math.Abs(other-ZipfPMF(100, 1.5)[0]) > 0.03 {
			t.Errorf("quarter %d: the first of the other keys has %v of their records, want %v", eighth, other, ZipfPMF(100, 1.5)[0])
		}
	}
}

// Words are distinct for distinct numbers and count as one word each.
func TestWritten(t *testing.T) {
	seen := map[string]int{}
	for n := range 20_000 {
		w := spelled(n)
		if m, ok := seen[w]; ok {
			t.Fatalf("%d and %d are both spelled %s", m, n, w)
		}
		if seen[w] = n; countWords(w) != 1 {
			t.Fatalf("%d is spelled %q: %d words", n, w, countWords(w))
		}
	}
}

// Different seeds, purposes and indices give different generators.
func TestNewPCG(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		seen := map[string]string{}
		for purpose := range uint64(8) {
			for index := range uint64(16) {
				g := newPCG(seed, purpose, index)
				draws, name := fmt.Sprint(g.Uint64(), g.Uint64()), fmt.Sprint(purpose, index)
				if other, ok := seen[draws]; ok {
					t.Fatalf("purpose and index %s draw the same as %s", name, other)
				}
				seen[draws] = name
			}
		}
	})
}

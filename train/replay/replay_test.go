package replay

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/internal/memtest"
	"github.com/saspart/saspart/train"
)

// naive is a buffer without a tree or a ring: a list, and sums over all of it.
type naive struct {
	cfg      Config
	rows     []Transition
	priority []float64 // p^alpha
	at       int
	most     float64
	updates  int
}

func (n *naive) add(t Transition) {
	p := math.Pow(n.most, n.cfg.Alpha)
	if len(n.rows) < n.cfg.Capacity {
		n.rows, n.priority = append(n.rows, t), append(n.priority, p)
	} else {
		n.rows[n.at], n.priority[n.at] = t, p
	}
	n.at = (n.at + 1) % n.cfg.Capacity
}

// sample returns the rows drawn and their weights.
func (n *naive) sample(rng *rand.Rand, rows int) (drawn []int, weights []float64) {
	total := 0.0
	for _, p := range n.priority {
		total += p
	}
	beta := n.cfg.Beta
	if n.cfg.BetaUpdates > 0 {
		beta += (1 - beta) * min(1, float64(n.updates)/float64(n.cfg.BetaUpdates))
	}
	for row := range rows {
		value := (float64(row) + rng.Float64()) / float64(rows) * total
		i := 0
		for ; i < len(n.priority)-1 && value >= n.priority[i]; i++ {
			value -= n.priority[i]
		}
		drawn = append(drawn, i)
		weights = append(weights, math.Pow(float64(len(n.rows))*n.priority[i]/total, -beta))
	}
	most := slices.Max(weights)
	for i := range weights {
		weights[i] /= most
	}
	n.updates++
	return drawn, weights
}

func transition(rng *rand.Rand, d train.Dims) Transition {
	draw := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = rng.Float32()
		}
		return v
	}
	return Transition{Obs: draw(d.Obs), Act: draw(d.Act), Reward: rng.Float32(), Next: draw(d.Obs), Terminal: float32(rng.IntN(2))}
}

// TestAgainstNaive drives buffer and twin with the same operations. Errors are whole
// numbers and alpha is 1, so that sums are exact and both draw the very same rows.
func TestAgainstNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{
			Capacity: rapid.IntRange(1, 40).Draw(t, "capacity"), Alpha: 1, Epsilon: 1,
			Beta: rapid.Float64Range(0, 1).Draw(t, "beta"), BetaUpdates: rapid.IntRange(0, 5).Draw(t, "beta updates"),
		}
		dims := train.Dims{Obs: rapid.IntRange(1, 3).Draw(t, "obs"), Act: rapid.IntRange(1, 3).Draw(t, "act")}
		seed := rapid.Uint64().Draw(t, "seed")
		data := rand.New(rand.NewPCG(seed, 0))
		one, two := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 1))
		buffer, twin := New(cfg, dims), &naive{cfg: cfg, most: 1}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if tr := transition(data, dims); twin.rows == nil || rapid.Bool().Draw(t, "add") {
				if err := buffer.Add(tr); err != nil {
					t.Fatal(err)
				}
				twin.add(tr)
				continue
			}
			rows := rapid.IntRange(1, 8).Draw(t, "rows")
			b := train.NewBatch(rows, dims)
			if err := buffer.Sample(one, b); err != nil {
				t.Fatal(err)
			}
			drawn, weights := twin.sample(two, rows)
			if !slices.Equal(buffer.drawn, drawn) {
				t.Fatalf("drew %v, the twin %v", buffer.drawn, drawn)
			}
			errs := make([]float32, rows)
			for i, at := range drawn {
				want := twin.rows[at]
				got := Transition{b.Obs[i*dims.Obs:][:dims.Obs], b.Act[i*dims.Act:][:dims.Act], b.Reward[i], b.Next[i*dims.Obs:][:dims.Obs], b.Terminal[i]}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("row %d (-want +got):\n%s", i, diff)
				}
				if math.Abs(float64(b.Weight[i])-weights[i]) > 1e-6 {
					t.Fatalf("row %d weighs %v, want %v", i, b.Weight[i], weights[i])
				}
				errs[i] = float32(at % 7) // the same for a row drawn twice
				twin.priority[at] = float64(errs[i]) + 1
				twin.most = max(twin.most, float64(errs[i])+1)
			}
			buffer.Learned(errs)
		}
	})
}

// TestPriorities counts how often each transition is drawn.
func TestPriorities(t *testing.T) {
	for _, tc := range []struct {
		why   string
		alpha float64
		part  float64 // of all draws, of the one with error 3 beside three of error 1
	}{
		{"alpha 1: in proportion to the error", 1, 0.5},
		{"alpha 0: uniform", 0, 0.25},
		{"alpha 0.5: to its root", 0.5, math.Sqrt(3) / (3 + math.Sqrt(3))},
	} {
		b := New(Config{Capacity: 4, Alpha: tc.alpha, Epsilon: 1e-9}, train.Dims{Obs: 1, Act: 1})
		for i := range 4 {
			if err := b.Add(Transition{Obs: []float32{float32(i)}, Act: []float32{0}, Next: []float32{0}}); err != nil {
				t.Fatal(err)
			}
		}
		b.drawn = []int{0, 1, 2, 3}
		b.Learned([]float32{1, 1, 1, 3})
		rng := rand.New(rand.NewPCG(1, 2))
		batch, last := train.NewBatch(10, train.Dims{Obs: 1, Act: 1}), 0
		const batches = 2000
		for range batches {
			if err := b.Sample(rng, batch); err != nil {
				t.Fatal(err)
			}
			for _, v := range batch.Obs {
				if v == 3 {
					last++
				}
			}
		}
		if got := float64(last) / (10 * batches); math.Abs(got-tc.part) > 0.01 {
			t.Errorf("%s: drawn %.3f of the time, want %.3f", tc.why, got, tc.part)
		}
	}
}

func TestAddRefuses(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	one := []float32{1}
	for _, tc := range []struct {
		why  string
		t    Transition
		want string
	}{
		{"an observation of another length", Transition{Obs: []float32{1, 2}, Act: one, Next: one}, "transition of 2, 1 and 1"},
		{"a reward that is no number", Transition{Obs: one, Act: one, Next: one, Reward: nan}, "reward is NaN"},
		{"an infinite observation", Transition{Obs: []float32{inf}, Act: one, Next: one}, "number 0 of the observation is +Inf"},
		{"an action that is no number", Transition{Obs: one, Act: []float32{nan}, Next: one}, "action is NaN"},
	} {
		b := New(Default(), train.Dims{Obs: 1, Act: 1})
		if err := b.Add(tc.t); err == nil || !strings.Contains(err.Error(), tc.want) || b.Len() != 0 {
			t.Errorf("%s: %v with %d remembered", tc.why, err, b.Len())
		}
	}
	b := New(Default(), train.Dims{Obs: 1, Act: 1})
	if err := b.Sample(rand.New(rand.NewPCG(0, 0)), train.NewBatch(1, train.Dims{Obs: 1, Act: 1})); err == nil {
		t.Error("an empty buffer gave a batch")
	}
}

// write returns the bytes of the buffer's file.
func write(t testing.TB, b *Buffer) []byte {
	t.Helper()
	var w bytes.Buffer
	if err := b.Write(&w); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

// filled is a buffer that has been sampled and learned from, full or not.
func filled(t testing.TB, cfg Config, dims train.Dims, n int) *Buffer {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(n), 7))
	b := New(cfg, dims)
	batch, errs := train.NewBatch(8, dims), make([]float32, 8)
	for range n {
		if err := b.Add(transition(rng, dims)); err != nil {
			t.Fatal(err)
		}
		if err := b.Sample(rng, batch); err != nil {
			t.Fatal(err)
		}
		for i := range errs {
			errs[i] = rng.Float32()
		}
		b.Learned(errs)
	}
	return b
}

// TestRestoredGoesOnTheSame: a buffer that was read equals the written one, and draws the
// same.
func TestRestoredGoesOnTheSame(t *testing.T) {
	dims := train.Dims{Obs: 3, Act: 2}
	cfg := Default()
	for _, tc := range []struct {
		why         string
		capacity, n int
	}{
		{"empty", 10, 0}, {"partly full", 10, 6}, {"just full", 10, 10}, {"gone round", 10, 37},
	} {
		cfg.Capacity = tc.capacity
		b := filled(t, cfg, dims, tc.n)
		data := write(t, b)
		r, err := Read(data, cfg, dims)
		if err != nil {
			t.Errorf("%s: %v", tc.why, err)
			continue
		}
		b.drawn = nil
		if diff := cmp.Diff(b, r, cmp.AllowUnexported(Buffer{}, sumTree{})); diff != "" {
			t.Errorf("%s (-written +read):\n%.2000s", tc.why, diff)
		}
		if string(write(t, r)) != string(data) {
			t.Errorf("%s: written again it has other bytes", tc.why)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	dims := train.Dims{Obs: 3, Act: 2}
	cfg := Default()
	cfg.Capacity = 20
	data := write(t, filled(t, cfg, dims, 12))
	small := cfg
	small.Capacity = 11
	less := cfg
	less.Capacity = 12
	for _, tc := range []struct {
		why  string
		data []byte
		cfg  Config
		dims train.Dims
		want string
	}{
		{"other widths", data, cfg, train.Dims{Obs: 4, Act: 2}, "use the configuration that wrote it"},
		{"a ring that is too small", data, small, dims, "capacity"},
		{"a ring that would have gone round", data, less, dims, "capacity"},
		{"cut off", data[:len(data)/2], cfg, dims, "read replay"},
		{"no file at all", nil, cfg, dims, "read replay"},
	} {
		if b, err := Read(tc.data, tc.cfg, tc.dims); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, error %v; want one with %q", tc.why, b, err, tc.want)
		}
	}
}

// TestClaims writes a length that no file has over each number of a replay.
func TestClaims(t *testing.T) {
	dims := train.Dims{Obs: 2, Act: 1}
	cfg := Default()
	cfg.Capacity = 16
	data := write(t, filled(t, cfg, dims, 5))
	for at := 0; at+8 <= len(data); at++ {
		damaged := slices.Clone(data)
		binary.LittleEndian.PutUint64(damaged[at:], 1<<37)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = Read(damaged, cfg, dims)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 32<<20 {
			t.Fatalf("byte %d: %d MiB were allocated for a file of %d bytes", at, n>>20, len(data))
		}
	}
}

// FuzzRead: whatever the bytes, an error or a buffer that can be sampled.
func FuzzRead(f *testing.F) {
	dims := train.Dims{Obs: 2, Act: 1}
	cfg := Default()
	cfg.Capacity = 16
	f.Add(write(f, filled(f, cfg, dims, 5)))
	f.Add(write(f, filled(f, cfg, dims, 20)))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer memtest.Limit(t, 32<<20)()
		b, err := Read(data, cfg, dims)
		if err != nil || b.Len() == 0 {
			return
		}
		if err := b.Sample(rand.New(rand.NewPCG(1, 1)), train.NewBatch(4, dims)); err != nil {
			t.Error(err)
		}
	})
}

// constant fills a batch with its number and records its errors.
type constant struct {
	value  float32
	errors []float32
}

func (c *constant) Sample(_ *rand.Rand, b *train.Batch) error {
	for _, v := range [][]float32{b.Obs, b.Act, b.Reward, b.Next, b.Terminal} {
		for i := range v {
			v[i] = c.value
		}
	}
	return nil
}

func (c *constant) Learned(errors []float32) { c.errors = slices.Clone(errors) }

func TestMix(t *testing.T) {
	dims := train.Dims{Obs: 2, Act: 3}
	for _, tc := range []struct {
		share float64
		first int // rows of the first, of 5
	}{{0, 0}, {0.5, 3}, {0.2, 1}, {1, 5}} {
		one, two := &constant{value: 1}, &constant{value: 2}
		m := Mix{First: one, Second: two, Share: tc.share}
		b := train.NewBatch(5, dims)
		if err := m.Sample(nil, b); err != nil {
			t.Fatal(err)
		}
		for row := range 5 {
			want := float32(2)
			if row < tc.first {
				want = 1
			}
			if b.Reward[row] != want || b.Obs[row*2+1] != want || b.Next[row*2] != want || b.Act[row*3+2] != want || b.Weight[row] != 1 {
				t.Errorf("share %v: row %d is of source %v, want %v", tc.share, row, b.Reward[row], want)
			}
		}
		m.Learned([]float32{10, 11, 12, 13, 14})
		all := append(slices.Clone(one.errors), two.errors...)
		if len(one.errors) != tc.first || !slices.Equal(all, []float32{10, 11, 12, 13, 14}) {
			t.Errorf("share %v: errors %v and %v", tc.share, one.errors, two.errors)
		}
	}
}

func TestConfig(t *testing.T) {
	if c := Default(); c.Validate() != nil {
		t.Error(c.Validate())
	}
	c := Config{Capacity: 0, Alpha: 2, Beta: -1, BetaUpdates: -1}
	err := c.Validate()
	for _, path := range []string{"capacity", "alpha", "beta", "beta_updates", "epsilon"} {
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s is not told of in %v", path, err)
		}
	}
}

func BenchmarkSample(b *testing.B) {
	dims := train.Dims{Obs: 128, Act: 73}
	cfg := Default()
	buffer := New(cfg, dims)
	rng := rand.New(rand.NewPCG(1, 1))
	for range 20_000 {
		if err := buffer.Add(transition(rng, dims)); err != nil {
			b.Fatal(err)
		}
	}
	batch, errs := train.NewBatch(128, dims), make([]float32, 128)
	b.ReportAllocs()
	for b.Loop() {
		if err := buffer.Sample(rng, batch); err != nil {
			b.Fatal(err)
		}
		buffer.Learned(errs)
	}
}

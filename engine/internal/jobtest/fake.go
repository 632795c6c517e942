package jobtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// tester is what testing.T and rapid.T have in common.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// ListSource deals out the payloads of a list; the driver's times are those of
// the same list.
type ListSource struct{ Records []stream.Record }

func (l *ListSource) Fill(b *stream.Batch) (int, error) {
	n := min(len(b.Records), len(l.Records))
	for i, r := range l.Records[:n] {
		r.Time = b.Records[i].Time
		b.Records[i], b.Hashes[i] = r, r.Hash
	}
	l.Records = l.Records[n:]
	if n < len(b.Records) {
		return n, io.EOF
	}
	return n, nil
}

// listArrivals are the times of a list, and after them one a second for ever.
type listArrivals struct {
	times []int64
	last  int64
}

func (l *listArrivals) Fill(times []int64, until int64) int {
	n := 0
	for ; n < len(times); n++ {
		if len(l.times) == 0 {
			l.times = append(l.times, l.last+int64(time.Second))
		}
		if l.times[0] >= until {
			break
		}
		times[n], l.last = l.times[0], l.times[0]
		l.times = l.times[1:]
	}
	return n
}
func (l *listArrivals) Observe(time.Duration, float64) {}
func (l *listArrivals) RateAt(time.Duration) float64   { return 1000 }

// EndSoon has the listed arrivals of a setup go on for a millisecond only, so that a
// job on the wall clock learns of its sources' end right after their last record.
func EndSoon(s engine.Setup) {
	for _, r := range s.Rates {
		if l, ok := r.(*listArrivals); ok {
			end := int64(0)
			if n := len(l.times); n > 0 {
				end = l.times[n-1]
			}
			l.times = append(l.times, end+int64(time.Millisecond))
		}
	}
}

// WithList gives a setup the records, dealt out to its partitioner subtasks.
func WithList(s engine.Setup, records []stream.Record) engine.Setup {
	n := s.Config.Partitioners
	s.Sources, s.Rates = make([]stream.Source, n), make([]engine.Arrivals, n)
	for i := range n {
		src, arr := &ListSource{}, &listArrivals{}
		for k := i; k < len(records); k += n {
			src.Records = append(src.Records, records[k])
			arr.times = append(arr.times, records[k].Time)
		}
		s.Sources[i], s.Rates[i] = src, arr
	}
	return s
}

// NaiveReduce is the single-worker computation: every window over every record.
func NaiveReduce(c *engine.Config, task stream.Task, records []stream.Record) map[ResultID]string {
	out := map[ResultID]stream.State{}
	for i := range records {
		slide := records[i].Time / c.Slide.Nanoseconds()
		for k := slide; k < slide+int64(c.WindowSlides()); k++ {
			id := ResultID{k, records[i].Key}
			if out[id] == nil {
				out[id] = task.NewState()
			}
			out[id].Add(&records[i])
		}
	}
	text := map[ResultID]string{}
	for id, s := range out {
		text[id] = string(stream.AppendExact(nil, s))
	}
	return text
}

// ResultID names the result of one key over one window.
type ResultID struct {
	slide int64
	key   string
}

// CollectResults records what a job reports and fails on a result reported twice
// or out of order.
func CollectResults(t tester, into map[ResultID]string) engine.ResultFunc {
	last, lastKey := int64(math.MinInt64), ""
	return func(slide int64, key string, r stream.Result) {
		if slide < last || slide == last && key <= lastKey {
			t.Errorf("result %d/%q after %d/%q", slide, key, last, lastKey)
		}
		last, lastKey = slide, key
		id := ResultID{slide, key}
		if _, twice := into[id]; twice {
			t.Errorf("result %d/%q is reported twice", slide, key)
		}
		into[id] = string(stream.AppendExact(nil, r))
	}
}

// RunOut runs a job to its end under a controller and returns its windows.
func RunOut(t tester, j engine.Job, c policy.Controller) []*policy.Window {
	t.Helper()
	var out []*policy.Window
	var l *loop.Loop
	for {
		w, err := j.Next(context.Background())
		if errors.Is(err, io.EOF) {
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, w)
		if l == nil {
			l = loop.New(loop.Config{Workers: len(w.Counts), Controller: c})
		}
		if err := j.Apply(l.Step(w)); err != nil {
			t.Fatal(err)
		}
	}
}

// SameResults compares reduced results, and names the first few that differ.
func SameResults(t tester, got, want map[ResultID]string) {
	t.Helper()
	ids := map[ResultID]bool{}
	for id := range got {
		ids[id] = true
	}
	for id := range want {
		ids[id] = true
	}
	var wrong []string
	for id := range ids {
		if got[id] != want[id] {
			wrong = append(wrong, fmt.Sprintf("%d/%.20q: %q, a single worker gives %q", id.slide, id.key, got[id], want[id]))
		}
	}
	slices.Sort(wrong)
	if len(wrong) > 0 {
		t.Fatalf("%d of %d results are wrong:\n%v", len(wrong), len(want), wrong[:min(5, len(wrong))])
	}
}

// oddKeys are keys that a naive program stumbles over, the empty one first.
func oddKeys() []string {
	huge := make([]byte, 70_000)
	for i := range huge {
		huge[i] = byte(i)
	}
	return []string{"", "\x00", "\xff\xfe", "a\nb", "key", "Key", "\u00fc", "u\u0308", string(huge)}
}

// RandomRecords are skewed records over n ms, with payloads for every task.
func RandomRecords(rng *rand.Rand, n, keys int, span time.Duration) []stream.Record {
	odd := oddKeys()
	words := []string{"to be or", "not", "to be, that is", ""}
	out := make([]stream.Record, n)
	times := make([]int64, n)
	for i := range times {
		times[i] = rng.Int64N(span.Nanoseconds())
	}
	slices.Sort(times)
	for i := range out {
		k := int(float64(keys) * rng.Float64() * rng.Float64() * rng.Float64())
		key := fmt.Sprintf("k%d", k)
		if k < len(odd) {
			key = odd[k]
		}
		values := make([]float64, rng.IntN(3))
		for v := range values {
			values[v] = float64(rng.IntN(1000)) // whole, so that sums are exact in any order
		}
		out[i] = stream.Record{Key: key, Hash: stream.Hash(key), Time: times[i], Text: words[rng.IntN(len(words))], Values: values}
	}
	return out
}

// FixedScheme sends every key to one worker by hash, with or without the merge
// flag.
func FixedScheme(d partition.Dest) partition.Scheme {
	return partition.Scheme{Name: "fixed", NewRouter: func(env partition.Env) partition.Router {
		return fixedRouter{uint64(env.Workers), d}
	}}
}

type fixedRouter struct {
	workers uint64
	flag    partition.Dest
}

func (f fixedRouter) Route(b *stream.Batch, dst []partition.Dest) {
	for i, h := range b.Hashes {
		dst[i] = partition.Dest(h%f.workers) | f.flag
	}
}
func (fixedRouter) EndSlide(int64) {}

// Scatter sends every record anywhere, and never admits that keys are split: the
// worst that a router can do to results.
func Scatter() partition.Scheme {
	return partition.Scheme{Name: "scatter", NewRouter: func(env partition.Env) partition.Router {
		return &scatterRouter{rand.New(rand.NewPCG(env.Seed, uint64(env.Subtask))), env.Workers}
	}}
}

type scatterRouter struct {
	rng     *rand.Rand
	workers int
}

func (s *scatterRouter) Route(b *stream.Batch, dst []partition.Dest) {
	for i := range dst {
		dst[i] = partition.Dest(s.rng.IntN(s.workers))
	}
}
func (*scatterRouter) EndSlide(int64) {}

// TableScheme routes by the table partitioner, which follows any route.
func TableScheme(t tester, workers int) partition.Scheme {
	t.Helper()
	return Scheme(t, "table", workers)
}

package stream

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestNewTask(t *testing.T) {
	for _, name := range TaskNames() {
		cfg := DefaultTask()
		cfg.Name = name
		task, err := NewTask(cfg)
		if err != nil || task.Name() != name {
			t.Errorf("NewTask(%q) = %v, %v", name, task, err)
		}
	}
	for _, c := range []struct {
		why, want string
		set       func(*TaskConfig)
	}{
		{"unknown name", `task: name: "wordcont" is not a task; did you mean "wordcount"? known are count, tdigest, wordcount`, func(c *TaskConfig) { c.Name = "wordcont" }},
		{"compression too low to be a digest", "task: compression: is 1; it must be from 5 to 1000", func(c *TaskConfig) { c.Name, c.Compression = TaskTDigest, 1 }},
		{"a quantile is a share", "task: quantiles[1]: is 99; it must be from 0 to 1", func(c *TaskConfig) { c.Name, c.Quantiles = TaskTDigest, []float64{.5, 99} }},
	} {
		cfg := DefaultTask()
		c.set(&cfg)
		if _, err := NewTask(cfg); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v\nwant %s", c.why, err, c.want)
		}
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct{ why, text, want string }{
		{"empty", "", ""},
		{"only separators", " .,-- \t\n", ""},
		{"lower case stays", "the quick fox", "the quick fox"},
		{"ASCII is lower-cased, also inside", "The McFoo USA", "the mcfoo usa"},
		{"digits belong to words", "in 1790 we 2nd", "in 1790 we 2nd"},
		{"an apostrophe separates", "nation's don't", "nation s don t"},
		{"so does an underscore", "george_washington", "george washington"},
		{"letters beyond ASCII", "Émile naïve ΣΊΣΥΦΟΣ", "émile naïve σίσυφοσ"},
		{"a word that turns to other letters halfway", "naïve", "naïve"},
		{"marks belong to the letter before", "nai\u0308ve हिन्दी", "nai\u0308ve हिन्दी"},
		{"digits of other scripts", "٣٤ x", "٣٤ x"},
		{"punctuation beyond ASCII separates", "a—b…c", "a b c"},
		{"invalid bytes separate", "a\xffb\xc3", "a b"},
		{"symbols and emoji separate", "a€b😀c", "a b c"},
		{"NUL separates", "a\x00b", "a b"},
	} {
		if got := strings.Join(cut(c.text), " "); got != c.want {
			t.Errorf("%s: %q cut into %q, want %q", c.why, c.text, got, c.want)
		}
	}
}

// cut lists the words of a text.
func cut(text string) []string {
	var w Words
	var out []string
	w.Start(text)
	for {
		word, ok := w.Next()
		if !ok {
			return out
		}
		out = append(out, strings.Clone(word))
	}
}

// naiveCut is the obvious way: replace what is not part of a word by blanks.
func naiveCut(text string) []string {
	return strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) {
			return unicode.ToLower(r)
		}
		return ' '
	}, text))
}

// texts mix what matters to the tokeniser.
func drawText(t *rapid.T) string {
	parts := rapid.SliceOfN(rapid.OneOf(
		rapid.SampledFrom([]string{" ", "a", "B", "7", "é", "É", "\u0308", "\xff", ".", "—", "İ", "ß", "word", "Word"}),
		rapid.String(),
	), 0, 30)
	return strings.Join(parts.Draw(t, "text"), "")
}

func TestWordsAgainstNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawText(t)
		want := naiveCut(text)
		if got := cut(text); !slices.Equal(got, want) {
			t.Fatalf("%q cut into %q, want %q", text, got, want)
		}
		if got := countWords(text); got != len(want) {
			t.Fatalf("%q has %d words, want %d", text, got, len(want))
		}
	})
}

// Every state equals one state of all records, however the records were split and merged, and
// a state that was reset equals a new one.
func TestStates(t *testing.T) {
	for _, name := range TaskNames() {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				task := task(t, name)
				whole, parts := task.NewState(), make([]State, rapid.IntRange(1, 5).Draw(t, "parts"))
				for i := range parts {
					parts[i] = task.NewState()
					parts[i].Add(&Record{Text: "not to be seen again", Values: []float64{1e9}})
					parts[i].Reset()
				}
				rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
				n := rapid.IntRange(0, 60).Draw(t, "records")
				naive := naiveState{}
				for range n {
					r := Record{Text: drawText(t), Values: drawValues(rng)}
					whole.Add(&r)
					parts[rng.IntN(len(parts))].Add(&r)
					naive.add(&r)
				}
				before := string(parts[len(parts)-1].AppendText(nil))
				merged := task.NewState()
				for _, i := range rng.Perm(len(parts)) {
					merged.Merge(parts[i])
				}
				if after := string(parts[len(parts)-1].AppendText(nil)); after != before {
					t.Fatalf("merging changed the other state: %s, before %s", after, before)
				}
				for _, s := range []State{whole, merged} {
					if got, want := string(AppendExact([]byte("x"), s)), "x"+naive.exact(name); got != want {
						t.Fatalf("got  %s\nwant %s", got, want)
					}
					if s.Count() != int64(n) {
						t.Fatalf("%d records counted, want %d", s.Count(), n)
					}
					if got, want := s.Size(), naive.size(name); s.Count() <= 10 && got != want {
						t.Fatalf("size %d, want %d", got, want)
					}
				}
			})
		})
	}
}

func task(t interface{ Fatal(...any) }, name string) Task {
	cfg := DefaultTask()
	cfg.Name = name
	task, err := NewTask(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return task
}

// drawValues are up to 9 numbers of any size and sign.
func drawValues(rng *rand.Rand) []float64 {
	v := make([]float64, rng.IntN(10))
	for i := range v {
		v[i] = math.Round(rng.NormFloat64()*1000) / 8
	}
	return v
}

// naiveState keeps everything.
type naiveState struct {
	records int
	words   map[string]int
	values  []float64
}

func (n *naiveState) add(r *Record) {
	n.records++
	if n.words == nil {
		n.words = map[string]int{}
	}
	for _, w := range naiveCut(r.Text) {
		n.words[w]++
	}
	n.values = append(n.values, r.Values...)
}

func (n *naiveState) size(task string) int {
	return map[string]int{TaskCount: 1, TaskWordcount: len(n.words), TaskTDigest: len(n.values)}[task]
}

func (n *naiveState) exact(task string) string {
	switch task {
	case TaskCount:
		return fmt.Sprint(n.records)
	case TaskWordcount:
		out := fmt.Sprintf("%d records:", n.records)
		var words []string
		for w := range n.words {
			words = append(words, w)
		}
		slices.Sort(words)
		for _, w := range words {
			out += fmt.Sprintf(" %s=%d", w, n.words[w])
		}
		return out
	}
	out := fmt.Sprintf("%d records: values=%d", n.records, len(n.values))
	if len(n.values) > 0 {
		sum := 0.0
		for _, v := range n.values { // exact: they are multiples of 1/8
			sum += v
		}
		out += fmt.Sprintf(" min=%v max=%v sum=%v", slices.Min(n.values)+0, slices.Max(n.values)+0, sum+0)
	}
	return out
}

func TestAppendText(t *testing.T) {
	for _, c := range []struct{ why, task, want string }{
		{"a number", TaskCount, "2"},
		{"words in byte order", TaskWordcount, "2 records: a=1 the=2 union=1"},
		{"quantiles of 1, 2, 4, 8 interpolated", TaskTDigest, "2 records: values=4 min=1 max=8 sum=15 p1=1.03 p25=1.75 p50=3 p75=5 p99=7.88"},
	} {
		s := task(t, c.task).NewState()
		s.Add(&Record{Text: "The Union", Values: []float64{8, 1}})
		s.Add(&Record{Text: "the, a", Values: []float64{2, 4}})
		if got := string(s.AppendText(nil)); got != c.want {
			t.Errorf("%s: %s, want %s", c.why, got, c.want)
		}
	}
	if got, want := string(task(t, TaskTDigest).NewState().AppendText(nil)), "0 records: values=0"; got != want {
		t.Errorf("nothing: %s, want %s", got, want)
	}
}

func TestUnits(t *testing.T) {
	r := &Record{Text: "Four words, no more.", Values: []float64{1, 2, 3}}
	for name, want := range map[string]int{TaskCount: 0, TaskWordcount: 4, TaskTDigest: 3} {
		if got := task(t, name).Units(r); got != want {
			t.Errorf("%s: %d units, want %d", name, got, want)
		}
	}
}

// Past the values that are kept, quantiles are estimates: within a percent of
// their rank for smooth data, whole or merged from parts, in any order.
func TestTDigestAccuracy(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	distributions := map[string]func() float64{
		"normal":      rng.NormFloat64,
		"exponential": rng.ExpFloat64,
		"uniform":     rng.Float64,
		"two humps":   func() float64 { return rng.NormFloat64() + 10*float64(rng.IntN(2)) },
	}
	for name, draw := range distributions {
		values := make([]float64, 20_000)
		for i := range values {
			values[i] = draw()
		}
		sorted := slices.Sorted(slices.Values(values))
		for _, order := range []string{"drawn", "ascending", "descending"} {
			switch order {
			case "ascending":
				values = slices.Clone(sorted)
			case "descending":
				slices.Reverse(values)
			}
			for _, parts := range []int{1, 2, 64} {
				merged := newState(t, TaskTDigest).(*tdigestState)
				for p := range parts {
					part := newState(t, TaskTDigest)
					for i := p; i < len(values); i += parts {
						part.Add(&Record{Values: values[i : i+1]})
					}
					merged.Merge(part)
				}
				for _, q := range []float64{0, 0.001, 0.01, 0.25, 0.5, 0.9, 0.99, 1} {
					got, _ := slices.BinarySearch(sorted, merged.quantile(q, nil))
					if err := math.Abs(float64(got)/float64(len(sorted)) - q); err > 0.01 {
						t.Errorf("%s, %s, %d parts: quantile %v is %v off in rank", name, order, parts, q, err)
					}
				}
				if n := merged.Size(); n > 1000 {
					t.Errorf("%s, %s, %d parts: %d centroids for 20,000 values", name, order, parts, n)
				}
			}
		}
	}
}

// The same calls give the same bytes, after a reset too.
func TestTDigestDeterminism(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	values := make([]float64, 5000)
	for i := range values {
		values[i] = rng.NormFloat64()
	}
	s, part := newState(t, TaskTDigest), newState(t, TaskTDigest)
	run := func() string {
		s.Reset()
		part.Reset()
		part.Add(&Record{Values: values[:2000]})
		s.Add(&Record{Values: values[2000:]})
		s.Merge(part)
		return string(s.AppendText(nil))
	}
	first := run()
	if again := run(); again != first {
		t.Errorf("after a reset:\n%s\nbefore:\n%s", again, first)
	}
}

// The sum does not depend on the order even where plain addition loses it all.
func TestDoubledSum(t *testing.T) {
	values := []float64{1e16, 1, -1e16, 1, 1e-3, 3e15, -3e15}
	rapid.Check(t, func(t *rapid.T) {
		var d doubled
		for _, v := range rapid.Permutation(values).Draw(t, "order") {
			d.add(v)
		}
		if d.value() != 2.001 {
			t.Fatalf("sum = %v, want 2.001", d.value())
		}
	})
}

// In the steady state, all words known and the memory grown, Add and Reset
// allocate nothing.
func TestAddAllocatesNothing(t *testing.T) {
	sentences := []string{"the quick brown fox", "The Lazy DOG jumps", "Überall naïve Wörter", "nine ten eleven twelve thirteen"}
	for _, name := range TaskNames() {
		s := newState(t, name)
		records := make([]Record, len(sentences))
		for i := range records {
			records[i] = Record{Text: sentences[i], Values: []float64{float64(i)}}
		}
		add := func() {
			for i := range records {
				s.Add(&records[i])
			}
		}
		add()
		if n := testing.AllocsPerRun(20, add); n != 0 {
			t.Errorf("%s: Add allocates %v times", name, n)
		}
		if n := testing.AllocsPerRun(20, func() { s.Reset(); add() }); n != 0 {
			t.Errorf("%s: Reset and Add allocate %v times", name, n)
		}
	}
}

// Words in a state are copies: they do not change with the tokeniser's buffer.
func TestWordcountOwnsItsWords(t *testing.T) {
	s := newState(t, TaskWordcount).(*wordcountState)
	s.Add(&Record{Text: "Upper lower Upper"})
	s.Add(&Record{Text: "OTHER WORDS"})
	var got []string
	for i := range s.entries {
		got = append(got, string(s.word(&s.entries[i])))
	}
	if d := cmp.Diff([]string{"upper", "lower", "other", "words"}, got); d != "" {
		t.Error(d)
	}
}

// Words with equal hashes are distinct, and none of them gets lost when the index grows.
func TestWordcountCollisions(t *testing.T) {
	s := new(wordcountState)
	const n = 1000
	for round := range 2 {
		for i := range n {
			*s.count(fmt.Sprint("w", i), uint64(i%7)<<61)++
		}
		if s.Size() != n {
			t.Fatalf("round %d: %d words, want %d", round, s.Size(), n)
		}
	}
	for i := range s.entries {
		if e := &s.entries[i]; e.count != 2 || string(s.word(e)) != fmt.Sprint("w", i) {
			t.Fatalf("entry %d is %s=%d, want w%d=2", i, s.word(e), e.count, i)
		}
	}
}

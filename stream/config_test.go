package stream

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/saspart/saspart/config/field"
)

func TestDefaultsAreValid(t *testing.T) {
	source, rate, task := DefaultSource(), DefaultRate(), DefaultTask()
	for _, kind := range SourceKinds() {
		source.Kind = kind
		if kind == KindFile {
			source.File.Path, source.File.Key = "x", "k"
		}
		if err := source.Validate(); err != nil {
			t.Errorf("source %s: %v", kind, err)
		}
	}
	rate.Stages = []Stage{{Rate: 1}}
	for _, rate.Kind = range []string{RateFixed, RateStaged, RateAdaptive} {
		if err := rate.Validate(); err != nil {
			t.Errorf("rate %s: %v", rate.Kind, err)
		}
	}
	for _, task.Name = range TaskNames() {
		if err := task.Validate(); err != nil {
			t.Errorf("task %s: %v", task.Name, err)
		}
	}
}

func TestSourceValidate(t *testing.T) {
	for _, c := range []struct {
		why, want string
		set       func(*SourceConfig)
	}{
		{"unknown kind", `kind: is "zip"; did you mean "zipf"?`, func(c *SourceConfig) { c.Kind = "zip" }},
		{"no keys", "keys: is 0; it must be a whole number from 1 to 16777216", func(c *SourceConfig) { c.Keys = 0 }},
		{"more keys than memory", "keys: is 100000000", func(c *SourceConfig) { c.Keys = 100_000_000 }},
		{"a drifting key needs another one", "keys: is 1; it must be a whole number from 2", func(c *SourceConfig) { c.Kind, c.Keys = KindDrift, 1 }},
		{"exponent NaN", "exponent: is NaN; an exponent must be a finite number of at least 0", func(c *SourceConfig) { c.Exponent = math.NaN() }},
		{"exponent infinite", "exponent: is +Inf", func(c *SourceConfig) { c.Exponent = math.Inf(1) }},
		{"exponent negative", "exponent: is -1", func(c *SourceConfig) { c.Exponent = -1 }},
		{"no exponents", "sequence.exponents: is empty", func(c *SourceConfig) { c.Kind, c.Sequence.Exponents = KindZipfSequence, nil }},
		{"one of the exponents", "sequence.exponents: is -2", func(c *SourceConfig) { c.Kind, c.Sequence.Exponents = KindZipfSequence, []float64{1, -2} }},
		{"no interval", "sequence.interval: is 0s; it must be above 0", func(c *SourceConfig) { c.Kind, c.Sequence.Interval = KindZipfSequence, 0 }},
		{"probability above 1", "drift.high: is 1.5; it must be from 0 to 1", func(c *SourceConfig) { c.Kind, c.Drift.High = KindDrift, 1.5 }},
		{"bounds the wrong way round", "drift.low: is 0.5, above high, 0.03", func(c *SourceConfig) { c.Kind, c.Drift.Low = KindDrift, 0.5 }},
		{"period negative", "drift.period: is -1s", func(c *SourceConfig) { c.Kind, c.Drift.Period = KindDrift, -time.Second }},
		{"sentences without words", "sentences.words: is 0", func(c *SourceConfig) { c.Sentences.Words = 0 }},
		{"no vocabulary", "sentences.vocabulary: is 0", func(c *SourceConfig) { c.Sentences.Vocabulary = 0 }},
		{"word exponent", "sentences.exponent: is NaN", func(c *SourceConfig) { c.Sentences.Exponent = math.NaN() }},
		{"no values", "values.per_record: is 0", func(c *SourceConfig) { c.Values.PerRecord = 0 }},
		{"mean NaN", "values.mean: is NaN", func(c *SourceConfig) { c.Values.Mean = math.NaN() }},
		{"spread negative", "values.within: is -1", func(c *SourceConfig) { c.Values.Within = -1 }},
		{"spread infinite", "values.between: is +Inf", func(c *SourceConfig) { c.Values.Between = math.Inf(1) }},
		{"no path", "file.path: is empty; name the file", inFile(func(c *FileConfig) { c.Path = "" })},
		{"no key", "file.key: is empty; name the column", inFile(func(c *FileConfig) { c.Key = "" })},
		{"unknown split", `file.split: is "word"; did you mean "words"?`, inFile(func(c *FileConfig) { c.Split = "word" })},
		{"unknown key type", `file.key_type: is "int"; did you mean`, inFile(func(c *FileConfig) { c.KeyType = "int" })},
		{"unknown treatment of bad rows", `file.on_bad_row: is "ignore"; known are`, inFile(func(c *FileConfig) { c.OnBadRow = "ignore" })},
		{"words are not integers", "file.key_type: is integer, but split", inFile(func(c *FileConfig) { c.Split, c.KeyType = SplitWords, KeyInteger })},
		{"delimiter of two characters", `file.delimiter: is "||"`, inFile(func(c *FileConfig) { c.Delimiter = "||" })},
		{"no delimiter", `file.delimiter: is ""`, inFile(func(c *FileConfig) { c.Delimiter = "" })},
		{"a quote as delimiter", `file.delimiter: is "\""`, inFile(func(c *FileConfig) { c.Delimiter = `"` })},
	} {
		cfg := DefaultSource()
		c.set(&cfg)
		expect(t, c.why, cfg.Validate(), c.want)
		if _, err := OpenSources(cfg, SourceEnv{Subtasks: 1, Task: TaskCount}); err == nil {
			t.Errorf("%s: OpenSources finds nothing wrong", c.why)
		}
	}
	if _, err := OpenSources(DefaultSource(), SourceEnv{Subtasks: 1, Task: "sum"}); err == nil || !strings.Contains(err.Error(), "is not a task") {
		t.Errorf("unknown task: %v", err)
	}
	if _, err := OpenSources(DefaultSource(), SourceEnv{Task: TaskCount}); err == nil {
		t.Error("no subtasks: no error")
	}
}

// inFile makes the source a file's and changes it.
func inFile(set func(*FileConfig)) func(*SourceConfig) {
	return func(c *SourceConfig) {
		c.Kind, c.File.Path, c.File.Key = KindFile, "x", "k"
		set(&c.File)
	}
}

// expect wants one error, of that beginning.
func expect(t *testing.T, why string, err error, want string) {
	t.Helper()
	if list := field.List(err); len(list) != 1 || !strings.HasPrefix(list[0].Error(), want) {
		t.Errorf("%s: %v\nwant %s...", why, err, want)
	}
}

func TestRateValidate(t *testing.T) {
	staged := func(s ...Stage) func(*RateConfig) {
		return func(c *RateConfig) { c.Kind, c.Stages = RateStaged, s }
	}
	adaptive := func(set func(*AdaptiveConfig)) func(*RateConfig) {
		return func(c *RateConfig) {
			c.Kind = RateAdaptive
			set(&c.Adaptive)
		}
	}
	for _, c := range []struct {
		why, want string
		set       func(*RateConfig)
	}{
		{"unknown kind", `kind: is "fix"; did you mean "fixed"?`, func(c *RateConfig) { c.Kind = "fix" }},
		{"unknown spacing", `spacing: is "poison"; did you mean "poisson"?`, func(c *RateConfig) { c.Spacing = "poison" }},
		{"no rate", "rate: is 0; it must be above 0", func(c *RateConfig) { c.Rate = 0 }},
		{"negative rate", "rate: is -5", func(c *RateConfig) { c.Rate = -5 }},
		{"rate NaN", "rate: is NaN", func(c *RateConfig) { c.Rate = math.NaN() }},
		{"more than one a nanosecond", "rate: is 2e+09", func(c *RateConfig) { c.Rate = 2e9 }},
		{"no stages", "stages: is empty", staged()},
		{"a stage's rate", "stages[1].rate: is -1", staged(Stage{1, 1}, Stage{-1, 1}, Stage{1, 1})},
		{"a stage without end before the last", "stages[0].duration: is 0s", staged(Stage{1, 0}, Stage{1, 0})},
		{"a stage that ends before it starts", "stages[0].duration: is -1ns", staged(Stage{1, -1})},
		{"a pause for ever", "stages[1].rate: is 0 in the last stage", staged(Stage{1, 1}, Stage{0, 0})},
		{"no interval", "adaptive.interval: is 0s", adaptive(func(c *AdaptiveConfig) { c.Interval = 0 })},
		{"bounds the wrong way round", "adaptive.low: is 0.95, above high, 0.9", adaptive(func(c *AdaptiveConfig) { c.Low = 0.95 })},
		{"a bound that is no ratio", "adaptive.high: is 90", adaptive(func(c *AdaptiveConfig) { c.High = 90 })},
		{"no step", "adaptive.step: is 0", adaptive(func(c *AdaptiveConfig) { c.Step = 0 })},
	} {
		cfg := DefaultRate()
		c.set(&cfg)
		expect(t, c.why, cfg.Validate(), c.want)
	}
}

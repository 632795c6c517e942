package stream

import (
	"errors"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/saspart/saspart/config/field"
)

// Kinds of sources.
const (
	KindZipf         = "zipf"
	KindZipfSequence = "zipf-sequence"
	KindDrift        = "drift"
	KindFile         = "file"
)

// SourceKinds lists the kinds of sources there are.
func SourceKinds() []string { return []string{KindZipf, KindZipfSequence, KindDrift, KindFile} }

// SourceConfig says what the records of a job are.
type SourceConfig struct {
	Kind     string         `yaml:"kind"`     // zipf, zipf-sequence, drift, file
	Keys     int            `yaml:"keys"`     // all but file: distinct keys
	Exponent float64        `yaml:"exponent"` // zipf, drift: probability of the key of rank r is proportional to 1/r^exponent
	Shuffle  bool           `yaml:"shuffle"`  // all but file: key numbers do not follow their ranks; false: key-0 is the most frequent
	Sequence SequenceConfig `yaml:"sequence"` // zipf-sequence
	Drift    DriftConfig    `yaml:"drift"`    // drift
	File     FileConfig     `yaml:"file"`     // file

	Sentences SentenceConfig `yaml:"sentences"` // payload of wordcount, all but file
	Values    ValueConfig    `yaml:"values"`    // payload of tdigest, all but file
}

// SequenceConfig says how the distribution of a zipf-sequence changes.
type SequenceConfig struct {
	Exponents []float64     `yaml:"exponents"` // one after the other, repeated from the first
	Interval  time.Duration `yaml:"interval"`  // event time for which each is in force
	Reshuffle bool          `yaml:"reshuffle"` // assign the keys to new ranks at each change
}

// DriftConfig says how the probability of the drifting key moves.
type DriftConfig struct {
	Low    float64       `yaml:"low"`
	High   float64       `yaml:"high"`
	Period time.Duration `yaml:"period"` // event time from low to high and back to low
}

// SentenceConfig describes synthetic sentences.
type SentenceConfig struct {
	Words      int     `yaml:"words"`      // per record; with spread: of the median key
	Spread     float64 `yaml:"spread"`     // standard deviation of the log of a key's number of words; 0: all keys have as many
	Most       int     `yaml:"most"`       // with spread: words per record, at most
	Vocabulary int     `yaml:"vocabulary"` // distinct words
	Exponent   float64 `yaml:"exponent"`   // of the zipf law of the words
}

// ValueConfig describes synthetic value lists: normal, with a mean that depends on
// the key.
type ValueConfig struct {
	PerRecord int     `yaml:"per_record"`
	Mean      float64 `yaml:"mean"`    // of the keys' means
	Between   float64 `yaml:"between"` // standard deviation of the keys' means
	Within    float64 `yaml:"within"`  // standard deviation of one key's values
}

// FileConfig says where records are read from and which columns matter. The content decides
// the format: CSV with a header line, Arrow IPC (file or stream) or Parquet; CSV may be
// gzipped.
type FileConfig struct {
	Path      string   `yaml:"path"`
	Key       string   `yaml:"key"`        // column of the key
	KeyType   string   `yaml:"key_type"`   // bytes: as it is; integer: every key is a whole number, 007 and 7 are equal
	Payload   []string `yaml:"payload"`    // wordcount: the column with the sentence; tdigest: columns with numbers; count: none needed
	Split     string   `yaml:"split"`      // none: a record per row; words: a record per word of the key column, with the word as key and, without a payload column, as sentence
	Loop      bool     `yaml:"loop"`       // start again at the end
	OnBadRow  string   `yaml:"on_bad_row"` // error: stop; skip: leave the row out and count it
	Delimiter string   `yaml:"delimiter"`  // CSV: between the fields, one character; \t: a tab
	Header    bool     `yaml:"header"`     // CSV: the first line names the columns; false: their names are 1, 2, ...
	Comment   string   `yaml:"comment"`    // CSV: lines that start with this character are left out; empty: none
}

// Values of FileConfig's KeyType, Split and OnBadRow.
const (
	KeyBytes   = "bytes"
	KeyInteger = "integer"

	SplitNone  = "none"
	SplitWords = "words"

	BadRowError = "error"
	BadRowSkip  = "skip"
)

// maxKeys bounds the distinct keys of a synthetic source: 16 million take about 1 GB.
const maxKeys = 1 << 24

// DefaultSource is the main workload of the SaSPartitioner prototype: zipf 1.5 over 10,000
// keys.
func DefaultSource() SourceConfig {
	return SourceConfig{
		Kind: KindZipf, Keys: 10_000, Exponent: 1.5,
		Sequence:  SequenceConfig{Exponents: []float64{1, 1.5, 2}, Interval: 30 * time.Second},
		Drift:     DriftConfig{Low: 0.001, High: 0.03, Period: time.Minute},
		File:      FileConfig{KeyType: KeyBytes, Split: SplitNone, OnBadRow: BadRowError, Delimiter: ",", Header: true},
		Sentences: SentenceConfig{Words: 8, Most: 80, Vocabulary: 1000, Exponent: 1},
		Values:    ValueConfig{PerRecord: 8, Mean: 100, Between: 20, Within: 10},
	}
}

// Validate reports every impossible value by its path. It checks only what the kind of source
// reads.
func (c *SourceConfig) Validate() error {
	switch c.Kind {
	case KindZipf:
		return errors.Join(c.validateKeys(1), exponent("exponent", c.Exponent), c.validatePayload())
	case KindZipfSequence:
		return errors.Join(c.validateKeys(1), field.In("sequence", c.Sequence.validate()), c.validatePayload())
	case KindDrift:
		return errors.Join(c.validateKeys(2), exponent("exponent", c.Exponent),
			field.In("drift", c.Drift.validate()), c.validatePayload())
	case KindFile:
		return field.In("file", c.File.validate())
	}
	return field.OneOf("kind", c.Kind, SourceKinds()...)
}

// ValidateFor reports what would make OpenSources fail before it opens a file: errors of
// Validate, or a payload that the task cannot read.
func (c *SourceConfig) ValidateFor(task string) error {
	if err := c.Validate(); err != nil || c.Kind != KindFile {
		return err
	}
	t, err := findTask(task)
	if err != nil {
		return err
	}
	return field.In("file", c.File.validatePayload(&t))
}

func (c *SourceConfig) validateKeys(least int) error {
	return field.Whole("keys", c.Keys, least, maxKeys)
}

func (c *SourceConfig) validatePayload() error {
	const far = 1e100 // so that no sum overflows
	return errors.Join(
		field.Whole("sentences.words", c.Sentences.Words, 1, 1000),
		field.Finite("sentences.spread", c.Sentences.Spread, 0, 4),
		field.Whole("sentences.most", c.Sentences.Most, 1, 1000),
		field.Whole("sentences.vocabulary", c.Sentences.Vocabulary, 1, 1<<20),
		exponent("sentences.exponent", c.Sentences.Exponent),
		field.Whole("values.per_record", c.Values.PerRecord, 1, 10_000),
		field.Finite("values.mean", c.Values.Mean, -far, far),
		field.Finite("values.between", c.Values.Between, 0, far),
		field.Finite("values.within", c.Values.Within, 0, far),
	)
}

func (c *SequenceConfig) validate() error {
	errs := []error{
		field.Check(len(c.Exponents) > 0, "exponents", "is empty; at least one is needed"),
		field.Lasting("interval", c.Interval),
	}
	for _, e := range c.Exponents {
		errs = append(errs, exponent("exponents", e))
	}
	return errors.Join(errs...)
}

func (c *DriftConfig) validate() error {
	return errors.Join(
		field.Finite("low", c.Low, 0, 1), field.Finite("high", c.High, 0, 1), field.Lasting("period", c.Period),
		field.Range("low", c.Low, c.High),
	)
}

func (c *FileConfig) validate() error {
	comma, comment := c.Comma(), c.CommentMark()
	return errors.Join(
		field.Check(c.Path != "", "path", "is empty; name the file to read"),
		field.Check(c.Key != "", "key", "is empty; name the column of the key"),
		field.OneOf("key_type", c.KeyType, KeyBytes, KeyInteger),
		field.OneOf("split", c.Split, SplitNone, SplitWords),
		field.OneOf("on_bad_row", c.OnBadRow, BadRowError, BadRowSkip),
		field.Check(c.Split != SplitWords || c.KeyType != KeyInteger, "key_type", "is integer, but split makes words the keys; set key_type: bytes"),
		field.Check(comma != 0, "delimiter", "is %q; it must be one character other than a quote or a line break, or \\t for a tab", c.Delimiter),
		field.Check(c.Comment == "" || comment != 0 && comment != comma, "comment", "is %q; it must be one character other than the delimiter, a quote or a line break", c.Comment),
	)
}

// Comma is the delimiter; 0 if it is impossible.
func (c *FileConfig) Comma() rune {
	if c.Delimiter == `\t` {
		return '\t'
	}
	return character(c.Delimiter)
}

// CommentMark is the character that comments start with; 0 if there is none or it is impossible.
func (c *FileConfig) CommentMark() rune { return character(c.Comment) }

// character is the single character of s, if CSV can have it between fields; else 0.
func character(s string) rune {
	if r, n := utf8.DecodeRuneInString(s); n > 0 && n == len(s) && !strings.ContainsRune("\ufffd\"\n\r", r) {
		return r
	}
	return 0
}

// validatePayload checks the columns against what the task reads.
func (c *FileConfig) validatePayload(t *taskRow) error {
	switch n := len(c.Payload); {
	case t.payload == TextPayload && n != 1 && (n != 0 || c.Split != SplitWords):
		return field.Errorf("payload", "names %d columns; %s reads one with sentences: [sentence]", n, t.name)
	case t.payload == ValuesPayload && n == 0:
		return field.Errorf("payload", "is empty; %s reads one or more columns with numbers: [delay]", t.name)
	}
	return nil
}

func exponent(path string, v float64) error {
	if err := field.Finite(path, v, 0, math.MaxFloat64); err != nil {
		return field.Errorf(path, "is %v; an exponent must be a finite number of at least 0", v)
	}
	return nil
}

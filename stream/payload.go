package stream

import (
	"math/rand/v2"
	"strings"
)

// Payload is the part of a record that a task reads, so that a source fills in
// nothing else.
type Payload int

// Payloads.
const (
	NoPayload     Payload = iota
	TextPayload           // Text: a sentence
	ValuesPayload         // Values: numbers
)

// Sizes of the pools from which synthetic payloads are drawn. They are powers of two, large
// enough that repetition does not show in a state, and small enough to stay in cache.
const (
	sentencePool = 1 << 12 // sentences
	valueClasses = 1 << 6  // value distributions; a key has one by its hash
	valuePool    = 1 << 10 // starting points per class
)

// pools are the pre-generated payloads of a synthetic source. They are immutable and shared
// by its subtasks, so that filling a record allocates nothing.
type pools struct {
	kind      Payload
	sentences []string  // sentencePool of them
	values    []float64 // valueClasses runs of valuePool+perRecord values
	perRecord int       // values per record
}

// newPools draws the pools that the payload needs.
func newPools(kind Payload, cfg *SourceConfig, seed uint64) *pools {
	p := &pools{kind: kind}
	switch kind {
	case TextPayload:
		p.sentences = newSentences(cfg.Sentences, rand.New(newPCG(seed, forSentences, 0)))
	case ValuesPayload:
		p.perRecord = cfg.Values.PerRecord
		p.values = newValues(cfg.Values, rand.New(newPCG(seed, forValues, 0)))
	}
	return p
}

func newSentences(cfg SentenceConfig, rng *rand.Rand) []string {
	words := newAlias(ZipfPMF(cfg.Vocabulary, cfg.Exponent))
	out := make([]string, sentencePool)
	var b strings.Builder
	for i := range out {
		b.Reset()
		for w := range cfg.Words {
			if w > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(spelled(int(words.pick(rng.Uint64()))))
		}
		out[i] = b.String()
	}
	return out
}

// spelled writes number n in syllables: every number gives another pronounceable word.
func spelled(n int) string {
	const consonants, vowels = "bdfghjklmnprstvz", "aeiou"
	var word []byte
	for {
		word = append(word, consonants[n%len(consonants)])
		n /= len(consonants)
		word = append(word, vowels[n%len(vowels)])
		if n /= len(vowels); n == 0 {
			return string(word)
		}
		n-- // so that no word is another one with a trailing "ba"
	}
}

func newValues(cfg ValueConfig, rng *rand.Rand) []float64 {
	run := valuePool + cfg.PerRecord
	out := make([]float64, 0, valueClasses*run)
	for range valueClasses {
		mean := cfg.Mean + cfg.Between*rng.NormFloat64()
		for range run {
			out = append(out, mean+cfg.Within*rng.NormFloat64())
		}
	}
	return out
}

// fill sets the payload of records whose keys are set.
func (p *pools) fill(records []Record, rng *rand.PCG) {
	switch p.kind {
	case TextPayload:
		for i := range records {
			records[i].Text = p.sentences[rng.Uint64()%sentencePool]
			records[i].Values = nil
		}
	case ValuesPayload:
		run := valuePool + p.perRecord
		for i := range records {
			r := &records[i]
			from := int(r.Hash%valueClasses)*run + int(rng.Uint64()%valuePool)
			r.Values = p.values[from : from+p.perRecord : from+p.perRecord]
			r.Text = ""
		}
	default:
		for i := range records {
			records[i].Text, records[i].Values = "", nil
		}
	}
}

package stream

import (
	"math"
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
	textPool     = 1 << 14 // words of the text that sentences of unequal length are parts of
	lengths      = 1 << 12 // lengths of sentences; a key has one by its hash
	valueClasses = 1 << 6  // value distributions; a key has one by its hash
	valuePool    = 1 << 10 // starting points per class
)

// pools are the pre-generated payloads of a synthetic source. They are immutable and shared
// by its subtasks, so that filling a record allocates nothing.
type pools struct {
	kind      Payload
	sentences []string // sentencePool of them; nil: parts of text
	text      text
	values    []float64 // valueClasses runs of valuePool+perRecord values
	perRecord int       // values per record
}

// newPools draws the pools that the payload needs.
func newPools(kind Payload, cfg *SourceConfig, seed uint64) *pools {
	p := &pools{kind: kind}
	switch kind {
	case TextPayload:
		if cfg.Sentences.Spread > 0 {
			p.text = newText(cfg.Sentences, seed)
			break
		}
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

// text is a long text, of which a sentence is a part. Its length depends on the key.
type text struct {
	all   string
	ends  []int32        // of the words
	words [lengths]int32 // of a sentence
}

func newText(cfg SentenceConfig, seed uint64) text {
	rng, words := rand.New(newPCG(seed, forSentences, 0)), newAlias(ZipfPMF(cfg.Vocabulary, cfg.Exponent))
	var t text
	var b strings.Builder
	for range textPool + cfg.Most {
		b.WriteByte(' ')
		b.WriteString(spelled(int(words.pick(rng.Uint64()))))
		t.ends = append(t.ends, int32(b.Len()))
	}
	t.all = b.String()
	rng = rand.New(newPCG(seed, forSentences, 1))
	for i := range t.words {
		n := math.Round(float64(cfg.Words) * math.Exp(cfg.Spread*rng.NormFloat64()))
		t.words[i] = int32(min(max(n, 1), float64(cfg.Most)))
	}
	return t
}

// sentence returns a sentence of the key of a hash; random decides where it begins.
func (t *text) sentence(hash, random uint64) string {
	first := random % textPool // a word that is not part of it
	last := first + uint64(t.words[hash>>20%lengths])
	return t.all[t.ends[first]+1 : t.ends[last]]
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
			r, random := &records[i], rng.Uint64()
			if p.sentences != nil {
				r.Text = p.sentences[random%sentencePool]
			} else {
				r.Text = p.text.sentence(r.Hash, random)
			}
			r.Values = nil
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

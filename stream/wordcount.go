package stream

import (
	"slices"
	"strconv"
	"strings"
	"unsafe"
)

// wordcount is the task that counts the words of each key's sentences.
type wordcount struct{}

// Name implements Task.
func (wordcount) Name() string { return TaskWordcount }

// NewState implements Task.
func (wordcount) NewState() State { return new(wordcountState) }

// Units implements Task: the words of the sentence.
func (wordcount) Units(r *Record) int { return countWords(r.Text) }

// wordcountState counts words in its own hash table. Hashes are computed once and reused when
// states merge. A state that has grown, even one that was reset since, adds words without
// allocating.
//
// The index is not a hashtable.Table: there is one for each key and pane, and the cells of a
// Table take four times as much memory.
type wordcountState struct {
	records int64
	entries []wordEntry // in order of appearance
	letters []byte      // of all words
	index   []int32     // by hash with linear probing: 1 + place in entries, 0 free; used past fewWords
	scan    Words
}

// wordEntry is a word and its count.
type wordEntry struct {
	hash     uint64
	count    int64
	from, to int32 // in letters
}

// fewWords is how many words are looked up by scanning; a state with more has an index. Most
// keys of a skewed stream see few words in a pane, and an index for each of them would cost
// more than it saves.
const fewWords = 8

// Add implements State.
func (s *wordcountState) Add(r *Record) {
	s.records++
	s.scan.Start(r.Text)
	for {
		word, ok := s.scan.Next()
		if !ok {
			return
		}
		*s.count(word, Hash(word))++
	}
}

// Merge implements State.
func (s *wordcountState) Merge(other State) {
	o := other.(*wordcountState)
	s.records += o.records
	for i := range o.entries {
		e := &o.entries[i]
		*s.count(o.word(e), e.hash) += e.count
	}
}

// count is the counter of a word with its hash; it is 0 for a new one.
func (s *wordcountState) count(word string, hash uint64) *int64 {
	if len(s.entries) <= fewWords {
		for i := range s.entries {
			if s.is(&s.entries[i], word, hash) {
				return &s.entries[i].count
			}
		}
		s.insert(word, hash)
		if len(s.entries) > fewWords {
			s.reindex()
		}
		return &s.entries[len(s.entries)-1].count
	}
	mask := uint64(len(s.index) - 1)
	at := hash & mask
	for ; s.index[at] != 0; at = (at + 1) & mask {
		if e := &s.entries[s.index[at]-1]; s.is(e, word, hash) {
			return &e.count
		}
	}
	s.insert(word, hash)
	if s.index[at] = int32(len(s.entries)); 2*len(s.entries) > len(s.index) {
		s.reindex()
	}
	return &s.entries[len(s.entries)-1].count
}

// is reports whether an entry holds this word.
func (s *wordcountState) is(e *wordEntry, word string, hash uint64) bool {
	return e.hash == hash && string(s.letters[e.from:e.to]) == word
}

// insert appends an entry.
func (s *wordcountState) insert(word string, hash uint64) {
	from := len(s.letters)
	s.letters = append(s.letters, word...)
	s.entries = append(s.entries, wordEntry{hash: hash, from: int32(from), to: int32(len(s.letters))})
}

// reindex builds the index of all entries, at most a quarter full.
func (s *wordcountState) reindex() {
	size := 4 * fewWords
	for size < 4*len(s.entries) {
		size *= 2
	}
	if cap(s.index) < size {
		s.index = make([]int32, size)
	} else {
		s.index = s.index[:size]
		clear(s.index)
	}
	mask := uint64(size - 1)
	for i := range s.entries {
		at := s.entries[i].hash & mask
		for s.index[at] != 0 {
			at = (at + 1) & mask
		}
		s.index[at] = int32(i + 1)
	}
}

// word is the letters of an entry's word.
func (s *wordcountState) word(e *wordEntry) string {
	return unsafe.String(unsafe.SliceData(s.letters[e.from:]), e.to-e.from)
}

// Reset implements State. The memory is kept.
func (s *wordcountState) Reset() {
	s.records, s.entries, s.letters = 0, s.entries[:0], s.letters[:0]
	s.scan.Start("")
}

// Count implements State.
func (s *wordcountState) Count() int64 { return s.records }

// Size implements State: distinct words.
func (s *wordcountState) Size() int { return len(s.entries) }

// Bytes implements State.
func (s *wordcountState) Bytes() int {
	n := len(s.entries)*int(unsafe.Sizeof(wordEntry{})) + len(s.letters)
	if len(s.entries) > fewWords {
		n += 4 * len(s.index)
	}
	return n
}

// AppendText renders the records and, in byte order, the words:
// "3 records: a=2 to=1".
func (s *wordcountState) AppendText(dst []byte) []byte {
	dst = strconv.AppendInt(dst, s.records, 10)
	dst = append(dst, " records:"...)
	sorted := slices.Clone(s.entries)
	slices.SortFunc(sorted, func(a, b wordEntry) int { return strings.Compare(s.word(&a), s.word(&b)) })
	for i := range sorted {
		dst = append(dst, ' ')
		dst = append(dst, s.word(&sorted[i])...)
		dst = append(dst, '=')
		dst = strconv.AppendInt(dst, sorted[i].count, 10)
	}
	return dst
}

package stream

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// wordcount is the task that counts the words of each key's sentences.
type wordcount struct{}

// Name implements Task.
func (wordcount) Name() string { return TaskWordcount }

// NewState implements Task.
func (wordcount) NewState() State { return new(wordcountState) }

// Units implements Task: the words of the sentence.
func (wordcount) Units(r *Record) int { return countWords(r.Text) }

// fewWords is how many words are looked up by scanning; a state with more has an
// index. Most keys of a skewed stream see few words in a pane, and a map for each
// of them would cost more than it saves.
const fewWords = 8

// wordcountState counts words. Words that it knows are added without allocating.
type wordcountState struct {
	records int64
	entries []wordEntry
	index   map[string]int32 // of entries, once there are more than fewWords
	scan    words
}

type wordEntry struct {
	word  string
	count int64
}

// Add implements State.
func (s *wordcountState) Add(r *Record) {
	s.records++
	s.scan.start(r.Text)
	for {
		word, lowered, ok := s.scan.next()
		if !ok {
			return
		}
		if lowered == nil {
			*s.of(word)++
			continue
		}
		// string(lowered) does not escape from find, so it is not allocated.
		if i := s.find(string(lowered)); i >= 0 {
			s.entries[i].count++
		} else {
			s.insert(string(lowered)).count++
		}
	}
}

// of is the counter of a word.
func (s *wordcountState) of(word string) *int64 {
	if i := s.find(word); i >= 0 {
		return &s.entries[i].count
	}
	// A copy, so that the state does not keep the sentence alive.
	return &s.insert(strings.Clone(word)).count
}

// find is the entry of a word, -1 when it is new.
func (s *wordcountState) find(word string) int {
	if len(s.entries) > fewWords {
		if i, ok := s.index[word]; ok {
			return int(i)
		}
		return -1
	}
	for i := range s.entries {
		if s.entries[i].word == word {
			return i
		}
	}
	return -1
}

// insert appends an entry for a new word, which the state keeps.
func (s *wordcountState) insert(word string) *wordEntry {
	s.entries = append(s.entries, wordEntry{word: word})
	n := len(s.entries)
	if n == fewWords+1 { // index them all
		if s.index == nil {
			s.index = make(map[string]int32, 4*fewWords)
		}
		for i := range s.entries {
			s.index[s.entries[i].word] = int32(i)
		}
	} else if n > fewWords {
		s.index[word] = int32(n - 1)
	}
	return &s.entries[n-1]
}

// Merge implements State.
func (s *wordcountState) Merge(other State) {
	o := other.(*wordcountState)
	s.records += o.records
	for i := range o.entries {
		e := &o.entries[i]
		if j := s.find(e.word); j >= 0 {
			s.entries[j].count += e.count
		} else {
			s.insert(e.word).count = e.count
		}
	}
}

// Reset implements State. The memory is kept, the words are not.
func (s *wordcountState) Reset() {
	clear(s.index)
	clear(s.entries)
	s.records, s.entries = 0, s.entries[:0]
	s.scan.text = ""
}

// Count implements State.
func (s *wordcountState) Count() int64 { return s.records }

// Size implements State: distinct words.
func (s *wordcountState) Size() int { return len(s.entries) }

// AppendText renders the records and, in byte order, the words:
// "3 records: a=2 to=1".
func (s *wordcountState) AppendText(dst []byte) []byte {
	dst = strconv.AppendInt(dst, s.records, 10)
	dst = append(dst, " records:"...)
	sorted := slices.Clone(s.entries)
	slices.SortFunc(sorted, func(a, b wordEntry) int { return cmp.Compare(a.word, b.word) })
	for _, e := range sorted {
		dst = append(dst, ' ')
		dst = append(dst, e.word...)
		dst = append(dst, '=')
		dst = strconv.AppendInt(dst, e.count, 10)
	}
	return dst
}

package stream

import (
	"unicode"
	"unicode/utf8"
	"unsafe"
)

// Words splits a text into its words: maximal runs of Unicode letters, digits and combining
// marks, in lower case. All other characters separate words.
type Words struct {
	text string
	pos  int
	buf  []byte // a word that had to be lower-cased
}

// Start begins a new text.
func (w *Words) Start(text string) { w.text, w.pos = text, 0 }

// Next returns the next word; ok is false after the last. The word is valid until the next
// call. It is part of the text if it is lower-case ASCII there; otherwise it lies in a buffer
// that is reused, so that no word is allocated.
func (w *Words) Next() (word string, ok bool) {
	text, i := w.text, w.pos
	for i < len(text) && !isLower(text[i]) {
		if c := text[i]; isUpper(c) {
			return w.lower(i)
		} else if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(text[i:])
			if inWord(r) {
				return w.lower(i)
			}
			i += size
			continue
		}
		i++
	}
	start := i
	for i < len(text) && isLower(text[i]) {
		i++
	}
	if i < len(text) {
		if c := text[i]; isUpper(c) {
			return w.lower(start)
		} else if c >= utf8.RuneSelf {
			if r, _ := utf8.DecodeRuneInString(text[i:]); inWord(r) {
				return w.lower(start)
			}
		}
	}
	w.pos = i
	return text[start:i], i > start
}

// lower returns the word that starts at i in lower case, in the buffer.
func (w *Words) lower(i int) (string, bool) {
	w.buf = w.buf[:0]
	for i < len(w.text) {
		switch c := w.text[i]; {
		case isLower(c):
			w.buf = append(w.buf, c)
			i++
			continue
		case isUpper(c):
			w.buf = append(w.buf, c+'a'-'A')
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(w.text[i:])
		if !inWord(r) {
			break
		}
		w.buf = utf8.AppendRune(w.buf, unicode.ToLower(r))
		i += size
	}
	w.pos = i
	return unsafe.String(unsafe.SliceData(w.buf), len(w.buf)), true
}

// countWords is the number of words that Next would return.
func countWords(text string) int {
	n, inside := 0, false
	for i := 0; i < len(text); {
		c, size := text[i], 1
		is := isLower(c) || isUpper(c)
		if c >= utf8.RuneSelf {
			var r rune
			r, size = utf8.DecodeRuneInString(text[i:])
			is = inWord(r)
		}
		if is && !inside {
			n++
		}
		inside = is
		i += size
	}
	return n
}

// isLower reports whether an ASCII byte is part of a word and already in lower case.
func isLower(c byte) bool { return c-'a' < 26 || c-'0' < 10 }

func isUpper(c byte) bool { return c-'A' < 26 }

// inWord reports whether a rune is part of a word. An invalid byte is not: it
// decodes to U+FFFD, a symbol.
func inWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }

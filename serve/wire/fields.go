package wire

import (
	"encoding/binary"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// fields walks over the fields of an encoded message.
type fields struct {
	rest []byte
	bad  bool // the message is broken

	tag   uint64 // of the field: its number and wire type, as on the wire
	value uint64 // of a varint or a fixed one
	bytes []byte // of one that has a length
}

// Wire types, as the lowest bits of a tag.
const (
	varint  = uint64(protowire.VarintType)
	fixed64 = uint64(protowire.Fixed64Type)
	nested  = uint64(protowire.BytesType)
)

// next moves to the next field. It reports false at the end of the message, and where
// the bytes are not a field.
func (f *fields) next() bool {
	if len(f.rest) == 0 || f.bad {
		return false
	}
	tag, n := uvarint(f.rest)
	number, kind := protowire.DecodeTag(tag)
	if n <= 0 || number < protowire.MinValidNumber || number > protowire.MaxValidNumber {
		f.bad = true
		return false
	}
	value := f.rest[n:]
	size := 0
	switch kind {
	case protowire.VarintType:
		f.value, size = uvarint(value)
	case protowire.Fixed64Type:
		if size = -1; len(value) >= 8 {
			f.value, size = binary.LittleEndian.Uint64(value), 8
		}
	case protowire.BytesType:
		length, m := uvarint(value)
		if size = -1; m > 0 && length <= uint64(len(value)-m) {
			size = m + int(length)
			f.bytes = value[m:size]
		}
	default:
		size = protowire.ConsumeFieldValue(number, kind, value)
	}
	if size < 0 {
		f.bad = true
		return false
	}
	f.tag, f.rest = tag, value[size:]
	return true
}

// uvarint is protowire.ConsumeVarint with a fast path for numbers of one byte.
func uvarint(b []byte) (uint64, int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	return protowire.ConsumeVarint(b)
}

// number is the value of a field of doubles.
func (f *fields) number() float64 { return math.Float64frombits(f.value) }

// bounded is a list whose memory is used again. It grows to its bound and no further, but
// counts all elements.
type bounded[T any] struct {
	list  []T
	n     int // elements that came
	limit int // elements that are kept
}

// reuse is an empty list in the memory of another.
func reuse[T any](memory []T, limit int) bounded[T] {
	return bounded[T]{list: memory[:0], limit: limit}
}

// over reports whether more elements came than are kept.
func (l *bounded[T]) over() bool { return l.n > l.limit }

// next is the next element, with what its memory held before. Beyond the bound it is the
// last element again.
func (l *bounded[T]) next() *T {
	l.n++
	switch n := len(l.list); {
	case n >= max(l.limit, 1):
	case n < cap(l.list):
		l.list = l.list[:n+1]
	default:
		l.list = append(l.list, *new(T))
	}
	return &l.list[len(l.list)-1]
}

// packed appends the varints in b to a list. It reports false if b holds anything else.
func packed[T uint32 | int64](to *bounded[T], b []byte) bool {
	list := slices.Grow(to.list, max(0, min(len(b), to.limit-len(to.list))))
	n := to.n
	for len(b) > 0 {
		v, size := uint64(b[0]), 1
		switch { // most counts are small
		case v < 0x80:
		case len(b) > 1 && b[1] < 0x80:
			v, size = v&0x7f|uint64(b[1])<<7, 2
		default:
			if v, size = protowire.ConsumeVarint(b); size < 0 {
				return false
			}
		}
		if n++; n <= to.limit {
			list = append(list, T(v))
		}
		b = b[size:]
	}
	to.list, to.n = list, n
	return true
}

// begin appends the tag of a field with a length. The content comes next, then end.
func begin(b []byte, number protowire.Number) (with []byte, at int) {
	b = append(protowire.AppendTag(b, number, protowire.BytesType), 0)
	return b, len(b)
}

// end inserts the length in front of the content.
func end(b []byte, at int) []byte {
	n := len(b) - at
	if n < 0x80 {
		b[at-1] = byte(n)
		return b
	}
	var length [10]byte
	size := binary.PutUvarint(length[:], uint64(n))
	b = append(b, length[1:size]...) // space for the content to move into
	copy(b[at-1+size:], b[at:at+n])
	copy(b[at-1:], length[:size])
	return b
}

// The following append a field. Fields that are 0 are left out, as proto3 does.

func appendCount(b []byte, number protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), v)
}

func appendFixed(b []byte, number protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendFixed64(protowire.AppendTag(b, number, protowire.Fixed64Type), v)
}

func appendDouble(b []byte, number protowire.Number, v float64) []byte {
	return appendFixed(b, number, math.Float64bits(v))
}

func appendText[T string | []byte](b []byte, number protowire.Number, v T) []byte {
	if len(v) == 0 {
		return b
	}
	b = protowire.AppendTag(b, number, protowire.BytesType)
	return append(protowire.AppendVarint(b, uint64(len(v))), v...)
}

func appendPacked[T uint16 | uint32 | int64](b []byte, number protowire.Number, list []T) []byte {
	if len(list) == 0 {
		return b
	}
	b, at := begin(b, number)
	for _, v := range list {
		if uint64(v) < 0x80 {
			b = append(b, byte(v))
		} else {
			b = protowire.AppendVarint(b, uint64(v))
		}
	}
	return end(b, at)
}

func appendDoubles(b []byte, number protowire.Number, list []float64) []byte {
	if len(list) == 0 {
		return b
	}
	b = protowire.AppendTag(b, number, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(8*len(list)))
	for _, v := range list {
		b = protowire.AppendFixed64(b, math.Float64bits(v))
	}
	return b
}

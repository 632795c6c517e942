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
	bad  bool // what is left is no field

	tag   uint64 // of the field: its number and wire type, as on the wire
	field []byte // the whole field
	value uint64 // of a varint or a fixed one
	bytes []byte // of one that has a length
}

// Wire types, as the lowest bits of a tag.
const (
	varint  = uint64(protowire.VarintType)
	fixed64 = uint64(protowire.Fixed64Type)
	nested  = uint64(protowire.BytesType)
)

// next goes on to the next field, and reports false at the end or where there is none.
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
	f.tag, f.field, f.rest = tag, f.rest[:n+size], value[size:]
	return true
}

// uvarint is protowire.ConsumeVarint, quick where the number has one byte.
func uvarint(b []byte) (uint64, int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	return protowire.ConsumeVarint(b)
}

// number is the value of a field of doubles.
func (f *fields) number() float64 { return math.Float64frombits(f.value) }

// packed appends the varints in b to a list. It reports false where there is something else.
func packed[T uint32 | uint64](to []T, b []byte) ([]T, bool) {
	to = slices.Grow(to, min(len(b), mostGrown))
	for len(b) > 0 {
		if b[0] < 0x80 { // as most counts are
			to, b = append(to, T(b[0])), b[1:]
			continue
		}
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return to, false
		}
		to, b = append(to, T(v)), b[n:]
	}
	return to, true
}

// mostGrown is how many elements of a packed list are made room for at a time.
const mostGrown = 1 << 16

// another is the next element of a list whose memory is used again.
func another[T any](list []*T) ([]*T, *T) {
	n := len(list)
	if n == cap(list) {
		list = append(list, new(T))
	} else if list = list[:n+1]; list[n] == nil {
		list[n] = new(T)
	}
	return list, list[n]
}

// begin begins a field that has a length, whose content is to be appended.
func begin(b []byte, number protowire.Number) (with []byte, at int) {
	b = append(protowire.AppendTag(b, number, protowire.BytesType), 0)
	return b, len(b)
}

// end puts the length in front of what was appended since begin.
func end(b []byte, at int) []byte {
	n := len(b) - at
	if n < 0x80 {
		b[at-1] = byte(n)
		return b
	}
	var length [10]byte
	size := binary.PutUvarint(length[:], uint64(n))
	b = append(b, length[1:size]...) // room for what has to move
	copy(b[at-1+size:], b[at:at+n])
	copy(b[at-1:], length[:size])
	return b
}

// The following append a field, unless it is 0, which goes without saying.

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

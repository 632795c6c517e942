package stream

import (
	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
)

// textsOf reads a column as bytes: text and binary as they are, whole numbers,
// booleans, dates and times as they are written, dictionaries as what they stand
// for. It is nil for a column of any other type.
func textsOf(column arrow.Array) texts {
	var get func(int) string
	switch c := column.(type) {
	case *array.Dictionary:
		of := textsOf(c.Dictionary())
		if of == nil {
			return nil
		}
		return func(i int) (string, bool) {
			if c.IsNull(i) {
				return "", false
			}
			return of(c.GetValueIndex(i))
		}
	case *array.String:
		get = c.Value
	case *array.LargeString:
		get = c.Value
	case *array.StringView:
		get = c.Value
	case interface{ Value(int) []byte }: // the binary types
		get = func(i int) string { return string(c.Value(i)) }
	case *array.Int8, *array.Int16, *array.Int32, *array.Int64,
		*array.Uint8, *array.Uint16, *array.Uint32, *array.Uint64,
		*array.Boolean, *array.Date32, *array.Date64,
		*array.Time32, *array.Time64, *array.Timestamp:
		get = column.ValueStr
	default:
		return nil
	}
	return func(i int) (string, bool) {
		if column.IsNull(i) {
			return "", false
		}
		return get(i), true
	}
}

// floatsOf reads a column of numbers, also in a dictionary. It is nil for a
// column of any other type.
func floatsOf(column arrow.Array) floats {
	switch c := column.(type) {
	case *array.Float64:
		return numeric(c)
	case *array.Float32:
		return numeric(c)
	case *array.Int64:
		return numeric(c)
	case *array.Int32:
		return numeric(c)
	case *array.Int16:
		return numeric(c)
	case *array.Int8:
		return numeric(c)
	case *array.Uint64:
		return numeric(c)
	case *array.Uint32:
		return numeric(c)
	case *array.Uint16:
		return numeric(c)
	case *array.Uint8:
		return numeric(c)
	case *array.Dictionary:
		of := floatsOf(c.Dictionary())
		if of == nil {
			return nil
		}
		return func(i int) (float64, bool) {
			if c.IsNull(i) {
				return 0, false
			}
			return of(c.GetValueIndex(i))
		}
	}
	return nil
}

// numeric reads an array of one of Go's number types.
func numeric[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | float32 | float64](column interface {
	IsNull(int) bool
	Value(int) T
}) floats {
	return func(i int) (float64, bool) {
		if column.IsNull(i) {
			return 0, false
		}
		return float64(column.Value(i)), true
	}
}

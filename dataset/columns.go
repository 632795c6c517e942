package dataset

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/saspart/saspart/policy"
)

// row is one row of a trace: a window and its number in the trace, from 0.
type row struct {
	policy.Window
	Index int64
}

// codec stores values of type T in Arrow: their type, how a value is appended to a builder,
// and how value i of an array is read. What get returns does not refer to the array.
type codec[T any] struct {
	typ  arrow.DataType
	null bool
	put  func(b array.Builder, v *T)
	get  func(a arrow.Array, i int, v *T)
}

// column is a named part of a T: a column of the trace, whose T is a row, or a field of a
// struct in one.
type column[T any] struct {
	name string
	codec[T]
	since int // format version that added it; 0: the first
}

// of is the part of a T that at returns.
func of[T, F any](name string, c codec[F], at func(*T) *F) column[T] {
	return column[T]{name: name, codec: codec[T]{c.typ, c.null,
		func(b array.Builder, v *T) { c.put(b, at(v)) },
		func(a arrow.Array, i int, v *T) { c.get(a, i, at(v)) },
	}}
}

// from is column c, which a format version added.
func from[T any](version int, c column[T]) column[T] {
	c.since = version
	return c
}

// columnsOf lists the columns of a format version, in their order in the file.
func columnsOf(version int) []column[row] {
	return slices.DeleteFunc([]column[row]{
		of("window", whole[int64](), func(r *row) *int64 { return &r.Index }),
		of("episode", whole[int](), func(r *row) *int { return &r.Episode }),
		of("step", whole[int](), func(r *row) *int { return &r.Step }),
		of("partitioner", text(), func(r *row) *string { return &r.Partitioner }),
		of("start_ns", whole[time.Duration](), func(r *row) *time.Duration { return &r.Start }),
		of("end_ns", whole[time.Duration](), func(r *row) *time.Duration { return &r.End }),
		of("records", whole[int64](), func(r *row) *int64 { return &r.Records }),
		of("offered_rate", real(), func(r *row) *float64 { return &r.OfferedRate }),
		of("actual_rate", real(), func(r *row) *float64 { return &r.ActualRate }),
		of("backpressured", real(), func(r *row) *float64 { return &r.Backpressured }),
		of("counts", wholes(), func(r *row) *[]int64 { return &r.Counts }),
		of("units", wholes(), func(r *row) *[]int64 { return &r.Units }),
		of("busy", reals(), func(r *row) *[]float64 { return &r.Busy }),
		of("queue", reals(), func(r *row) *[]float64 { return &r.Queue }),
		of("reducer_busy", reals(), func(r *row) *[]float64 { return &r.Reducer }),
		of("hot", list(hotKey()), func(r *row) *[]policy.HotKey { return &r.Hot }),
		of("slots", wholes(), func(r *row) *[]int64 { return &r.Slots }),
		of("route", route(), func(r *row) **policy.Route { return &r.Route }),
		of("route_new", flag(), func(r *row) *bool { return &r.RouteNew }),
		of("realised", list(realised()), func(r *row) *[]policy.RealisedShare { return &r.Realised }),
		of("pairs", whole[int](), func(r *row) *int { return &r.Pairs }),
		of("fan_out", real(), func(r *row) *float64 { return &r.FanOut }),
		of("latency_p50_ns", whole[time.Duration](), func(r *row) *time.Duration { return &r.LatencyP50 }),
		of("latency_p99_ns", whole[time.Duration](), func(r *row) *time.Duration { return &r.LatencyP99 }),
		of("latency_max_ns", whole[time.Duration](), func(r *row) *time.Duration { return &r.LatencyMax }),
		from(2, of("times", list(times()), func(r *row) *[]policy.Times { return &r.Times })),
	}, func(c column[row]) bool { return c.since > version })
}

// times is how long a worker took for the records that it timed.
func times() codec[policy.Times] {
	key := structOf(
		of("hash", hash(), func(k *policy.KeyTime) *uint64 { return &k.Hash }),
		of("name", octets(), func(k *policy.KeyTime) *string { return &k.Name }),
		of("records", whole[int64](), func(k *policy.KeyTime) *int64 { return &k.Records }),
		of("time_ns", whole[time.Duration](), func(k *policy.KeyTime) *time.Duration { return &k.Total }),
	)
	slot := structOf(
		of("slot", whole[int32](), func(s *policy.SlotTime) *int32 { return &s.Slot }),
		of("records", whole[int64](), func(s *policy.SlotTime) *int64 { return &s.Records }),
		of("time_ns", whole[time.Duration](), func(s *policy.SlotTime) *time.Duration { return &s.Total }),
	)
	return structOf(
		of("records", whole[int64](), func(t *policy.Times) *int64 { return &t.Records }),
		of("time_ns", whole[time.Duration](), func(t *policy.Times) *time.Duration { return &t.Total }),
		of("scatter", real(), func(t *policy.Times) *float64 { return &t.Scatter }),
		of("keys", list(key), func(t *policy.Times) *[]policy.KeyTime { return &t.Keys }),
		of("slots", list(slot), func(t *policy.Times) *[]policy.SlotTime { return &t.Slots }),
	)
}

// hotKey is a heavy hitter.
func hotKey() codec[policy.HotKey] {
	return structOf(
		of("name", octets(), func(k *policy.HotKey) *string { return &k.Name }),
		of("hash", hash(), func(k *policy.HotKey) *uint64 { return &k.Hash }),
		of("count", whole[int64](), func(k *policy.HotKey) *int64 { return &k.Count }),
		of("error", whole[int64](), func(k *policy.HotKey) *int64 { return &k.Error }),
	)
}

// realised is where records of a split key went.
func realised() codec[policy.RealisedShare] {
	return structOf(
		of("hash", hash(), func(k *policy.RealisedShare) *uint64 { return &k.Hash }),
		of("worker", whole[int](), func(k *policy.RealisedShare) *int { return &k.Worker }),
		of("count", whole[int64](), func(k *policy.RealisedShare) *int64 { return &k.Count }),
	)
}

// route is the route in force, null where the partitioner follows none. Every row has the
// whole route, so that each stands alone: a route that did not change costs about 40 bytes
// after compression.
func route() codec[*policy.Route] {
	key := structOf(
		of("hash", hash(), func(k *policy.KeyRoute) *uint64 { return &k.Hash }),
		of("name", octets(), func(k *policy.KeyRoute) *string { return &k.Name }),
		of("workers", workers(), func(k *policy.KeyRoute) *[]uint16 { return &k.Workers }),
		of("shares", reals(), func(k *policy.KeyRoute) *[]float64 { return &k.Shares }),
	)
	return pointerTo(
		of("version", hash(), func(r *policy.Route) *uint64 { return &r.Version }),
		of("workers", whole[int](), func(r *policy.Route) *int { return &r.Workers }),
		of("keys", list(key), func(r *policy.Route) *[]policy.KeyRoute { return &r.Keys }),
		of("slots", workers(), func(r *policy.Route) *[]uint16 { return &r.Slots }),
	)
}

// scalar is the codec of a primitive type, from its builder's and its array's methods.
func scalar[T any, B array.Builder, A arrow.Array](typ arrow.DataType, put func(B, T), get func(A, int) T) codec[T] {
	return codec[T]{typ, false,
		func(b array.Builder, v *T) { put(b.(B), *v) },
		func(a arrow.Array, i int, v *T) { *v = get(a.(A), i) },
	}
}

// whole is an int64; durations are stored as nanoseconds.
func whole[T ~int | ~int32 | ~int64]() codec[T] {
	return scalar(arrow.PrimitiveTypes.Int64,
		func(b *array.Int64Builder, v T) { b.Append(int64(v)) }, func(a *array.Int64, i int) T { return T(a.Value(i)) })
}

// real is a float64; NaN stays NaN.
func real() codec[float64] {
	return scalar(arrow.PrimitiveTypes.Float64, (*array.Float64Builder).Append, (*array.Float64).Value)
}

// hash is a uint64.
func hash() codec[uint64] {
	return scalar(arrow.PrimitiveTypes.Uint64, (*array.Uint64Builder).Append, (*array.Uint64).Value)
}

func flag() codec[bool] {
	return scalar(arrow.FixedWidthTypes.Boolean, (*array.BooleanBuilder).Append, (*array.Boolean).Value)
}

// text is a UTF-8 string.
func text() codec[string] {
	return scalar(arrow.BinaryTypes.String, (*array.StringBuilder).Append,
		func(a *array.String, i int) string { return strings.Clone(a.Value(i)) })
}

// octets is a string of any bytes.
func octets() codec[string] {
	return scalar(arrow.BinaryTypes.Binary, (*array.BinaryBuilder).AppendString,
		func(a *array.Binary, i int) string { return string(a.Value(i)) })
}

// list is a list of values of c; a nil list is stored as an empty one and read back as nil.
func list[T any](c codec[T]) codec[[]T] {
	return codec[[]T]{arrow.ListOfNonNullable(c.typ), false,
		func(b array.Builder, v *[]T) {
			elements := startList(b)
			for i := range *v {
				c.put(elements, &(*v)[i])
			}
		},
		func(a arrow.Array, i int, v *[]T) {
			elements, from, to := listAt(a, i)
			*v = nil
			for j := from; j < to; j++ {
				*v = append(*v, *new(T))
				c.get(elements, j, &(*v)[len(*v)-1])
			}
		},
	}
}

// numbers is a list of numbers, put and read at once.
func numbers[T any, B array.Builder, A arrow.Array](typ arrow.DataType, put func(B, []T, []bool), all func(A) []T) codec[[]T] {
	return codec[[]T]{arrow.ListOfNonNullable(typ), false,
		func(b array.Builder, v *[]T) { put(startList(b).(B), *v, nil) },
		func(a arrow.Array, i int, v *[]T) {
			elements, from, to := listAt(a, i)
			*v = append([]T(nil), all(elements.(A))[from:to]...)
		},
	}
}

func wholes() codec[[]int64] {
	return numbers(arrow.PrimitiveTypes.Int64, (*array.Int64Builder).AppendValues, (*array.Int64).Int64Values)
}

func reals() codec[[]float64] {
	return numbers(arrow.PrimitiveTypes.Float64, (*array.Float64Builder).AppendValues, (*array.Float64).Float64Values)
}

func workers() codec[[]uint16] {
	return numbers(arrow.PrimitiveTypes.Uint16, (*array.Uint16Builder).AppendValues, (*array.Uint16).Uint16Values)
}

// startList begins the next list of a list builder and returns the builder of its elements.
func startList(b array.Builder) array.Builder {
	l := b.(*array.ListBuilder)
	l.Append(true)
	return l.ValueBuilder()
}

// listAt returns the elements of list i: elements[from:to]. A corrupt file may claim any
// bounds and any number of elements; slicing or indexing past the elements panics, which the
// reader turns into an error.
func listAt(a arrow.Array, i int) (elements arrow.Array, from, to int) {
	l := a.(*array.List)
	start, end := l.ValueOffsets(i)
	elements = l.ListValues()
	if start < 0 || start > end || end > int64(elements.Len()) {
		panic("list bounds outside its elements")
	}
	return elements, int(start), int(end)
}

// structOf is a struct of the given fields of a T.
func structOf[T any](fields ...column[T]) codec[T] {
	return codec[T]{arrow.StructOf(fieldsOf(fields)...), false,
		func(b array.Builder, v *T) { putStruct(b, true, fields, v) },
		func(a arrow.Array, i int, v *T) {
			for j, f := range fields {
				f.get(a.(*array.Struct).Field(j), i, v)
			}
		},
	}
}

// pointerTo is like structOf; nil is stored as null.
func pointerTo[T any](fields ...column[T]) codec[*T] {
	c := structOf(fields...)
	return codec[*T]{c.typ, true,
		func(b array.Builder, v **T) { putStruct(b, *v != nil, fields, cmp.Or(*v, new(T))) },
		func(a arrow.Array, i int, v **T) {
			if !a.IsNull(i) {
				*v = new(T)
				c.get(a, i, *v)
			}
		},
	}
}

func putStruct[T any](b array.Builder, valid bool, fields []column[T], v *T) {
	s := b.(*array.StructBuilder)
	s.AppendValues([]bool{valid}) // Append(false) would put nulls into the fields, which are not nullable
	for j, f := range fields {
		f.put(s.FieldBuilder(j), v)
	}
}

func fieldsOf[T any](columns []column[T]) []arrow.Field {
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = arrow.Field{Name: c.name, Type: c.typ, Nullable: c.null}
	}
	return fields
}

package dataset

import (
	"slices"
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

// column is one column of the trace: its Arrow type, how a row's value is put
// into a batch and how it is got back. FORMAT.md describes each.
type column struct {
	name string
	typ  arrow.DataType
	null bool
	put  func(b array.Builder, r *row)
	get  func(a arrow.Array, i int, r *row)
}

// columns lists the columns of format version 1, in their order in the file.
func columns() []column {
	return []column{
		whole("window", func(r *row) *int64 { return &r.Index }),
		whole("episode", func(r *row) *int { return &r.Episode }),
		whole("step", func(r *row) *int { return &r.Step }),
		text("partitioner", func(r *row) *string { return &r.Partitioner }),
		whole("start_ns", func(r *row) *time.Duration { return &r.Start }),
		whole("end_ns", func(r *row) *time.Duration { return &r.End }),
		whole("records", func(r *row) *int64 { return &r.Records }),
		real("offered_rate", func(r *row) *float64 { return &r.OfferedRate }),
		real("actual_rate", func(r *row) *float64 { return &r.ActualRate }),
		real("backpressured", func(r *row) *float64 { return &r.Backpressured }),
		wholes("counts", func(r *row) *[]int64 { return &r.Counts }),
		wholes("units", func(r *row) *[]int64 { return &r.Units }),
		reals("busy", func(r *row) *[]float64 { return &r.Busy }),
		reals("queue", func(r *row) *[]float64 { return &r.Queue }),
		reals("reducer_busy", func(r *row) *[]float64 { return &r.Reducer }),
		hotColumn(),
		wholes("slots", func(r *row) *[]int64 { return &r.Slots }),
		routeColumn(),
		flag("route_new", func(r *row) *bool { return &r.RouteNew }),
		realisedColumn(),
		whole("pairs", func(r *row) *int { return &r.Pairs }),
		real("fan_out", func(r *row) *float64 { return &r.FanOut }),
		whole("latency_p50_ns", func(r *row) *time.Duration { return &r.LatencyP50 }),
		whole("latency_p99_ns", func(r *row) *time.Duration { return &r.LatencyP99 }),
		whole("latency_max_ns", func(r *row) *time.Duration { return &r.LatencyMax }),
	}
}

// whole is an int64 column; durations are stored as nanoseconds.
func whole[T ~int | ~int64](name string, at func(*row) *T) column {
	return column{name, arrow.PrimitiveTypes.Int64, false,
		func(b array.Builder, r *row) { b.(*array.Int64Builder).Append(int64(*at(r))) },
		func(a arrow.Array, i int, r *row) { *at(r) = T(a.(*array.Int64).Value(i)) },
	}
}

// real is a float64 column; NaN stays NaN.
func real(name string, at func(*row) *float64) column {
	return column{name, arrow.PrimitiveTypes.Float64, false,
		func(b array.Builder, r *row) { b.(*array.Float64Builder).Append(*at(r)) },
		func(a arrow.Array, i int, r *row) { *at(r) = a.(*array.Float64).Value(i) },
	}
}

// flag is a boolean column.
func flag(name string, at func(*row) *bool) column {
	return column{name, arrow.FixedWidthTypes.Boolean, false,
		func(b array.Builder, r *row) { b.(*array.BooleanBuilder).Append(*at(r)) },
		func(a arrow.Array, i int, r *row) { *at(r) = a.(*array.Boolean).Value(i) },
	}
}

// text is a UTF-8 column.
func text(name string, at func(*row) *string) column {
	return column{name, arrow.BinaryTypes.String, false,
		func(b array.Builder, r *row) { b.(*array.StringBuilder).Append(*at(r)) },
		func(a arrow.Array, i int, r *row) { *at(r) = string([]byte(a.(*array.String).Value(i))) },
	}
}

// wholes is a list<int64> column; a nil list is stored as an empty one and read
// back as nil.
func wholes(name string, at func(*row) *[]int64) column {
	return column{name, arrow.ListOfNonNullable(arrow.PrimitiveTypes.Int64), false,
		func(b array.Builder, r *row) { startList(b).(*array.Int64Builder).AppendValues(*at(r), nil) },
		func(a arrow.Array, i int, r *row) {
			values, from, to := listAt(a, i)
			*at(r) = cut(values.(*array.Int64).Int64Values(), from, to)
		},
	}
}

// reals is a list<float64> column, nil as in wholes.
func reals(name string, at func(*row) *[]float64) column {
	return column{name, arrow.ListOfNonNullable(arrow.PrimitiveTypes.Float64), false,
		func(b array.Builder, r *row) { startList(b).(*array.Float64Builder).AppendValues(*at(r), nil) },
		func(a arrow.Array, i int, r *row) {
			values, from, to := listAt(a, i)
			*at(r) = cut(values.(*array.Float64).Float64Values(), from, to)
		},
	}
}

// hotColumn holds the heavy hitters: list<struct<name, hash, count, error>>.
func hotColumn() column {
	typ := structOf("name", arrow.BinaryTypes.Binary, "hash", arrow.PrimitiveTypes.Uint64,
		"count", arrow.PrimitiveTypes.Int64, "error", arrow.PrimitiveTypes.Int64)
	return column{"hot", arrow.ListOfNonNullable(typ), false,
		func(b array.Builder, r *row) {
			s := startList(b).(*array.StructBuilder)
			for _, k := range r.Hot {
				s.Append(true)
				s.FieldBuilder(0).(*array.BinaryBuilder).AppendString(k.Name)
				s.FieldBuilder(1).(*array.Uint64Builder).Append(k.Hash)
				s.FieldBuilder(2).(*array.Int64Builder).Append(k.Count)
				s.FieldBuilder(3).(*array.Int64Builder).Append(k.Error)
			}
		},
		func(a arrow.Array, i int, r *row) {
			values, from, to := listAt(a, i)
			s := values.(*array.Struct)
			for j := from; j < to; j++ {
				r.Hot = append(r.Hot, policy.HotKey{
					Name:  string(s.Field(0).(*array.Binary).Value(j)),
					Hash:  s.Field(1).(*array.Uint64).Value(j),
					Count: s.Field(2).(*array.Int64).Value(j),
					Error: s.Field(3).(*array.Int64).Value(j),
				})
			}
		},
	}
}

// realisedColumn holds where split keys went: list<struct<hash, worker, count>>.
func realisedColumn() column {
	typ := structOf("hash", arrow.PrimitiveTypes.Uint64, "worker", arrow.PrimitiveTypes.Int64, "count", arrow.PrimitiveTypes.Int64)
	return column{"realised", arrow.ListOfNonNullable(typ), false,
		func(b array.Builder, r *row) {
			s := startList(b).(*array.StructBuilder)
			for _, k := range r.Realised {
				s.Append(true)
				s.FieldBuilder(0).(*array.Uint64Builder).Append(k.Hash)
				s.FieldBuilder(1).(*array.Int64Builder).Append(int64(k.Worker))
				s.FieldBuilder(2).(*array.Int64Builder).Append(k.Count)
			}
		},
		func(a arrow.Array, i int, r *row) {
			values, from, to := listAt(a, i)
			s := values.(*array.Struct)
			for j := from; j < to; j++ {
				r.Realised = append(r.Realised, policy.RealisedShare{
					Hash:   s.Field(0).(*array.Uint64).Value(j),
					Worker: int(s.Field(1).(*array.Int64).Value(j)),
					Count:  s.Field(2).(*array.Int64).Value(j),
				})
			}
		},
	}
}

// routeColumn holds the route in force, null where the partitioner follows none:
// struct<version, workers, keys: list<struct<hash, name, workers, shares>>, slots>.
// Every row has the whole route, so that each stands alone: a route that did not
// change costs about 40 bytes after compression.
func routeColumn() column {
	workers := arrow.ListOfNonNullable(arrow.PrimitiveTypes.Uint16)
	key := structOf("hash", arrow.PrimitiveTypes.Uint64, "name", arrow.BinaryTypes.Binary,
		"workers", workers, "shares", arrow.ListOfNonNullable(arrow.PrimitiveTypes.Float64))
	typ := structOf("version", arrow.PrimitiveTypes.Uint64, "workers", arrow.PrimitiveTypes.Int64,
		"keys", arrow.ListOfNonNullable(key), "slots", workers)
	return column{"route", typ, true, putRoute, getRoute}
}

func putRoute(b array.Builder, r *row) {
	s := b.(*array.StructBuilder)
	route := r.Route
	// Append(false) would put nulls into the children, which are not nullable.
	s.AppendValues([]bool{route != nil})
	if route == nil {
		route = &policy.Route{}
	}
	s.FieldBuilder(0).(*array.Uint64Builder).Append(route.Version)
	s.FieldBuilder(1).(*array.Int64Builder).Append(int64(route.Workers))
	keys := startList(s.FieldBuilder(2)).(*array.StructBuilder)
	for _, k := range route.Keys {
		keys.Append(true)
		keys.FieldBuilder(0).(*array.Uint64Builder).Append(k.Hash)
		keys.FieldBuilder(1).(*array.BinaryBuilder).AppendString(k.Name)
		startList(keys.FieldBuilder(2)).(*array.Uint16Builder).AppendValues(k.Workers, nil)
		startList(keys.FieldBuilder(3)).(*array.Float64Builder).AppendValues(k.Shares, nil)
	}
	startList(s.FieldBuilder(3)).(*array.Uint16Builder).AppendValues(route.Slots, nil)
}

func getRoute(a arrow.Array, i int, r *row) {
	if a.IsNull(i) {
		return
	}
	s := a.(*array.Struct)
	route := &policy.Route{
		Version: s.Field(0).(*array.Uint64).Value(i),
		Workers: int(s.Field(1).(*array.Int64).Value(i)),
	}
	values, from, to := listAt(s.Field(2), i)
	keys := values.(*array.Struct)
	for j := from; j < to; j++ {
		workers, wFrom, wTo := listAt(keys.Field(2), j)
		shares, sFrom, sTo := listAt(keys.Field(3), j)
		route.Keys = append(route.Keys, policy.KeyRoute{
			Hash:    keys.Field(0).(*array.Uint64).Value(j),
			Name:    string(keys.Field(1).(*array.Binary).Value(j)),
			Workers: cut(workers.(*array.Uint16).Uint16Values(), wFrom, wTo),
			Shares:  cut(shares.(*array.Float64).Float64Values(), sFrom, sTo),
		})
	}
	slots, from, to := listAt(s.Field(3), i)
	route.Slots = cut(slots.(*array.Uint16).Uint16Values(), from, to)
	r.Route = route
}

// structOf builds a struct type from name, type pairs, none nullable.
func structOf(pairs ...any) arrow.DataType {
	var fields []arrow.Field
	for i := 0; i < len(pairs); i += 2 {
		fields = append(fields, arrow.Field{Name: pairs[i].(string), Type: pairs[i+1].(arrow.DataType)})
	}
	return arrow.StructOf(fields...)
}

// startList begins the next list of a list builder and returns the builder of
// its elements.
func startList(b array.Builder) array.Builder {
	l := b.(*array.ListBuilder)
	l.Append(true)
	return l.ValueBuilder()
}

// listAt returns the elements of list i: values[from:to]. A corrupt file may
// claim any bounds; slicing or indexing with them panics, which the reader turns
// into an error.
func listAt(a arrow.Array, i int) (values arrow.Array, from, to int) {
	l := a.(*array.List)
	start, end := l.ValueOffsets(i)
	values = l.ListValues()
	if start < 0 || start > end || end > int64(values.Len()) {
		panic("list bounds outside its elements")
	}
	return values, int(start), int(end)
}

// cut copies values[from:to], nil if empty: a window outlives its batch.
func cut[T any](values []T, from, to int) []T {
	if from == to {
		return nil
	}
	return slices.Clone(values[from:to])
}

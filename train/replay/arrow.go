package replay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"strconv"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/saspart/saspart/internal/arrowfile"
	"github.com/saspart/saspart/train"
)

// File is the name of a replay in a checkpoint's folder.
const File = "replay.arrow"

// version is that of the file's format.
const version = "1"

// Names of the metadata. The columns are obs, act, next (fixed-size lists of float32),
// reward, terminal (float32) and priority (float64, p^alpha), a row per transition, in
// the order of the ring.
const (
	metaVersion = "saspart.replay"
	metaAt      = "saspart.replay.at"
	metaMost    = "saspart.replay.most"
	metaUpdates = "saspart.replay.updates"
)

// batchRows is how many transitions a record batch of the file has.
const batchRows = 4096

func (b *Buffer) schema() *arrow.Schema {
	list := func(n int) arrow.DataType {
		return arrow.FixedSizeListOfNonNullable(int32(n), arrow.PrimitiveTypes.Float32)
	}
	md := arrow.NewMetadata(
		[]string{metaVersion, metaAt, metaMost, metaUpdates},
		[]string{version, strconv.Itoa(b.at), strconv.FormatFloat(b.most, 'g', -1, 64), strconv.FormatUint(b.updates, 10)},
	)
	return arrow.NewSchema([]arrow.Field{
		{Name: "obs", Type: list(b.dims.Obs)}, {Name: "act", Type: list(b.dims.Act)}, {Name: "next", Type: list(b.dims.Obs)},
		{Name: "reward", Type: arrow.PrimitiveTypes.Float32}, {Name: "terminal", Type: arrow.PrimitiveTypes.Float32},
		{Name: "priority", Type: arrow.PrimitiveTypes.Float64},
	}, &md)
}

// Write writes the buffer to w, as an Arrow IPC file.
func (b *Buffer) Write(w io.WriteSeeker) error {
	schema := b.schema()
	return writeFile(w, schema, func(yield func(arrow.Record) bool) {
		priority := make([]float64, 0, batchRows)
		for from := 0; from < b.Len(); from += batchRows {
			to := min(b.Len(), from+batchRows)
			priority = priority[:0]
			for i := from; i < to; i++ {
				priority = append(priority, b.tree.get(i))
			}
			if !yield(b.record(schema, from, to, priority)) {
				return
			}
		}
	})
}

// writeFile writes record batches to w, as an Arrow IPC file.
func writeFile(w io.WriteSeeker, schema *arrow.Schema, batches iter.Seq[arrow.Record]) error {
	file, err := ipc.NewFileWriter(w, ipc.WithSchema(schema))
	if err != nil {
		return fmt.Errorf("write replay: %w", err)
	}
	for batch := range batches {
		if err := file.Write(batch); err != nil {
			return errors.Join(fmt.Errorf("write replay: %w", err), file.Close())
		}
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("write replay: %w", err)
	}
	return nil
}

// readFile reads an Arrow IPC file of a schema: first its metadata, which may differ from
// the schema's, then its batches, each of which may have up to the given number of rows.
// Lists of a batch that are too short for its rows make rows panic, which is an error here.
func readFile(data []byte, want *arrow.Schema, most int, metadata func(arrow.Metadata) error, rows func(arrow.Record) error) error {
	file, err := arrowfile.Open(bytes.NewReader(data), int64(len(data)), arrowfile.Limits{Fields: 100, Batch: 2*most*rowBytes(want) + 1<<16})
	switch {
	case err != nil:
	case !file.Schema().Equal(want):
		err = fmt.Errorf("its columns are %v, where %v belong: use the configuration that wrote it", file.Schema().Fields(), want.Fields())
	default:
		if err = metadata(file.Schema().Metadata()); err == nil {
			err = file.Rows(rows)
		}
	}
	if err != nil {
		return fmt.Errorf("read replay: %w", err)
	}
	return nil
}

// rowBytes is the size of a row of a schema.
func rowBytes(s *arrow.Schema) int {
	n := 0
	for _, f := range s.Fields() {
		if list, ok := f.Type.(*arrow.FixedSizeListType); ok {
			n += int(list.Len()) * list.Elem().(arrow.FixedWidthDataType).Bytes()
		} else {
			n += f.Type.(arrow.FixedWidthDataType).Bytes()
		}
	}
	return n
}

// record is a view of some rows as a record batch.
func (b *Buffer) record(schema *arrow.Schema, from, to int, priority []float64) arrow.Record {
	n := to - from
	list := func(i, width int, v []float32) arrow.Array {
		return lists(schema.Field(i).Type, n, v[from*width:to*width])
	}
	weights := memory.NewBufferBytes(arrow.Float64Traits.CastToBytes(priority))
	return array.NewRecord(schema, []arrow.Array{
		list(0, b.dims.Obs, b.obs), list(1, b.dims.Act, b.act), list(2, b.dims.Obs, b.next),
		array.MakeFromData(floats(b.reward[from:to])), array.MakeFromData(floats(b.terminal[from:to])),
		array.MakeFromData(array.NewData(arrow.PrimitiveTypes.Float64, n, []*memory.Buffer{nil, weights}, nil, 0, 0)),
	}, int64(n))
}

// Read returns the buffer that Write has written. Other widths, more transitions than the
// configured capacity, and invalid numbers are errors.
func Read(data []byte, cfg Config, dims train.Dims) (*Buffer, error) {
	b := New(cfg, dims)
	if err := readFile(data, b.schema(), batchRows, b.metadata, b.rows); err != nil {
		return nil, err
	}
	if n := b.Len(); n < cfg.Capacity && b.at != n || b.at >= cfg.Capacity {
		return nil, fmt.Errorf("read replay: %d transitions with the next one at %d, in a ring of %d: use the capacity that wrote it", n, b.at, cfg.Capacity)
	}
	return b, nil
}

func (b *Buffer) metadata(md arrow.Metadata) error {
	value := func(key string) string {
		if i := md.FindKey(key); i >= 0 {
			return md.Values()[i]
		}
		return ""
	}
	if got := value(metaVersion); got != version {
		return fmt.Errorf("it is of format %q; this version reads %s", got, version)
	}
	var bad [3]error
	b.at, bad[0] = strconv.Atoi(value(metaAt))
	b.most, bad[1] = strconv.ParseFloat(value(metaMost), 64)
	b.updates, bad[2] = strconv.ParseUint(value(metaUpdates), 10, 64)
	if err := errors.Join(bad[:]...); err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	if b.at < 0 || !(b.most > 0) || math.IsInf(b.most, 0) {
		return fmt.Errorf("metadata: place %d, largest priority %v", b.at, b.most)
	}
	return nil
}

// rows adds the transitions of a record batch.
func (b *Buffer) rows(rec arrow.Record) error {
	n := int(rec.NumRows())
	if b.Len()+n > b.cfg.Capacity {
		return fmt.Errorf("more than %d transitions: use the capacity that wrote it", b.cfg.Capacity)
	}
	list := func(i, width int) []float32 {
		values := rec.Column(i).(*array.FixedSizeList).ListValues().(*array.Float32).Float32Values()
		return values[:n*width] // panics where there are fewer
	}
	obs, act, next := list(0, b.dims.Obs), list(1, b.dims.Act), list(2, b.dims.Obs)
	reward, terminal := rec.Column(3).(*array.Float32).Float32Values(), rec.Column(4).(*array.Float32).Float32Values()
	for i, p := range rec.Column(5).(*array.Float64).Float64Values()[:n] {
		if !(p >= 0) || math.IsInf(p, 0) {
			return fmt.Errorf("transition %d has priority %v", b.Len()+i, p)
		}
		b.tree.set(len(b.reward)+i, p)
	}
	for _, v := range [][]float32{obs, act, next, reward[:n], terminal[:n]} {
		for _, x := range v {
			if f := float64(x); math.IsNaN(f) || math.IsInf(f, 0) {
				return fmt.Errorf("a transition holds %v", x)
			}
		}
	}
	b.obs, b.act, b.next = append(b.obs, obs...), append(b.act, act...), append(b.next, next...)
	b.reward, b.terminal = append(b.reward, reward[:n]...), append(b.terminal, terminal[:n]...)
	return nil
}

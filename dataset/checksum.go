package dataset

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/saspart/saspart/internal/arrowfile"
)

// checkField is the last column, which has the checksum of the batch in each row.
var checkField = arrow.Field{Name: "check", Type: arrow.PrimitiveTypes.Uint32}

// hasChecks reports whether batches of a format version have checksums.
func hasChecks(version int) bool { return version >= 2 }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the CRC-32C of a batch (FORMAT.md, "Checksums"). Null rows count with their
// values.
func checksum(batch arrow.Record) uint32 {
	sum := uint32(0)
	md := batch.Schema().Metadata()
	keys := slices.Clone(md.Keys())
	slices.Sort(keys)
	for _, key := range keys {
		value, _ := md.GetValue(key)
		sum = crc32.Update(sum, castagnoli, []byte(key+"="+value+"\x00"))
	}
	for i := range int(batch.NumCols()) - 1 {
		sum = addColumn(sum, batch.Column(i), 0, int(batch.NumRows()), batch.Schema().Field(i).Nullable)
	}
	return sum
}

// addColumn adds values from to to of a column to a checksum.
func addColumn(sum uint32, a arrow.Array, from, to int, nullable bool) uint32 {
	bytes := func(p []byte) { sum = crc32.Update(sum, castagnoli, p) }
	flag := func(b bool) byte {
		if b {
			return 1
		}
		return 0
	}
	if nullable {
		nulls := make([]byte, 0, to-from)
		for i := from; i < to; i++ {
			nulls = append(nulls, flag(a.IsNull(i)))
		}
		bytes(nulls)
	}
	// lengths adds those of lists or strings from their offsets, and returns the bounds of
	// their elements.
	lengths := func(offsets []int32, start int) (first, end int) {
		offsets = offsets[start+from : start+to+1]
		p := make([]byte, 0, 8*len(offsets))
		for i := range offsets[1:] {
			p = binary.LittleEndian.AppendUint64(p, uint64(offsets[i+1])-uint64(offsets[i]))
		}
		bytes(p)
		return int(offsets[0]), int(offsets[len(offsets)-1])
	}
	switch a := a.(type) {
	case *array.Int64:
		bytes(arrow.Int64Traits.CastToBytes(a.Int64Values()[from:to]))
	case *array.Uint64:
		bytes(arrow.Uint64Traits.CastToBytes(a.Uint64Values()[from:to]))
	case *array.Uint32:
		bytes(arrow.Uint32Traits.CastToBytes(a.Uint32Values()[from:to]))
	case *array.Uint16:
		bytes(arrow.Uint16Traits.CastToBytes(a.Uint16Values()[from:to]))
	case *array.Float64:
		bytes(arrow.Float64Traits.CastToBytes(a.Float64Values()[from:to]))
	case *array.Boolean:
		values := make([]byte, 0, to-from)
		for i := from; i < to; i++ {
			values = append(values, flag(a.Value(i)))
		}
		bytes(values)
	case *array.String:
		for i := from; i < to; i++ {
			bytes(binary.LittleEndian.AppendUint64(nil, uint64(len(a.Value(i)))))
		}
		for i := from; i < to; i++ {
			bytes([]byte(a.Value(i)))
		}
	case *array.Binary:
		for i := from; i < to; i++ {
			bytes(binary.LittleEndian.AppendUint64(nil, uint64(a.ValueLen(i))))
		}
		for i := from; i < to; i++ {
			bytes(a.Value(i))
		}
	case *array.List:
		if from == to {
			break
		}
		first, end := lengths(a.Offsets(), a.Offset())
		sum = addColumn(sum, a.ListValues(), first, end, false)
	case *array.Struct:
		for i := range a.NumField() {
			sum = addColumn(sum, a.Field(i), from, to, a.DataType().(*arrow.StructType).Field(i).Nullable)
		}
	default:
		panic(fmt.Sprintf("no trace has a column of type %v", a.DataType()))
	}
	return sum
}

// withChecks returns a batch of the schema with the column of checksums.
func withChecks(schema *arrow.Schema, batch arrow.Record) arrow.Record {
	rows := int(batch.NumRows())
	columns := slices.Clone(batch.Columns())
	checks := func(values []uint32) arrow.Array {
		p := memory.NewBufferBytes(arrow.Uint32Traits.CastToBytes(values))
		return array.MakeFromData(array.NewData(arrow.PrimitiveTypes.Uint32, rows, []*memory.Buffer{nil, p}, nil, 0, 0))
	}
	sum := checksum(array.NewRecord(schema, append(columns, checks(make([]uint32, rows))), int64(rows)))
	return array.NewRecord(schema, append(columns, checks(slices.Repeat([]uint32{sum}, rows))), int64(rows))
}

// verify returns an error if a batch does not have its checksum in each row.
func verify(batch arrow.Record) error {
	return arrowfile.Guard(func() error {
		sum := checksum(batch)
		for _, want := range batch.Column(int(batch.NumCols()) - 1).(*array.Uint32).Uint32Values() {
			if want != sum {
				return fmt.Errorf("its checksum is %#08x, that of its values %#08x: the file is damaged", want, sum)
			}
		}
		return nil
	})
}

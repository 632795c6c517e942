package file

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/bitutil"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/saspart/saspart/internal/arrowfile"
)

// batches reads an Arrow or Parquet file batch by batch.
type batches interface {
	Schema() *arrow.Schema
	Next() (arrow.Record, error) // io.EOF after the last; valid until the next call
	Close()
}

// limits bounds what a file may take. Some programs write an Arrow file as one batch.
var limits = arrowfile.Limits{Fields: 1 << 16, Batch: 1 << 30}

// openIPC opens an Arrow IPC file or stream.
func openIPC(r *io.SectionReader, _ []string) (batches, error) {
	return arrowfile.Open(r, r.Size(), limits)
}

// openParquet opens a Parquet file and reads the named columns.
func openParquet(r *io.SectionReader, columns []string) (batches, error) {
	return arrowfile.OpenParquet(r, r.Size(), columns, limits)
}

// arrowRows reads the rows of an Arrow or Parquet file.
type arrowRows struct {
	columns columns
	batches batches
	row     int64 // rows begun so far: the number, from 1, of the one read last

	at, length int // in the batch
	key        texts
	text       texts
	numbers    []floats
}

// texts reads a column as bytes, floats as numbers; ok is false for a null.
type (
	texts  func(i int) (s string, ok bool)
	floats func(i int) (v float64, ok bool)
)

// openArrow opens a file with open and checks the columns and their types.
func openArrow(r *io.SectionReader, open func(*io.SectionReader, []string) (batches, error), cols columns) (rows, error) {
	a := &arrowRows{columns: cols}
	names := append([]string{cols.key}, cols.numbers...)
	if cols.text != "" {
		names = append(names, cols.text)
	}
	err := arrowfile.Guard(func() (err error) {
		a.batches, err = open(r, names)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("can't be opened (%w): the file is truncated, damaged or still being written; write or copy it again", err)
	}
	if err := arrowfile.Guard(func() error { return a.bind(emptyBatch(a.batches.Schema())) }); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// emptyBatch is a batch of which only the types matter.
func emptyBatch(schema *arrow.Schema) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	return b.NewRecord()
}

// bind looks the columns up in a batch.
func (a *arrowRows) bind(batch arrow.Record) error {
	c, err := columnIn(batch, a.columns.key)
	if err != nil {
		return err
	}
	if a.key = textsOf(c); a.key == nil {
		return fmt.Errorf("column %q has type %s; a key must be of one type out of text, bytes, numbers, booleans, dates and times: cast the column", a.columns.key, c.DataType())
	}
	if a.columns.text != "" {
		if c, err = columnIn(batch, a.columns.text); err != nil {
			return err
		}
		if a.text = textsOf(c); a.text == nil {
			return fmt.Errorf("column %q has type %s; sentences must be text: cast the column", a.columns.text, c.DataType())
		}
	}
	a.numbers = a.numbers[:0]
	for _, name := range a.columns.numbers {
		if c, err = columnIn(batch, name); err != nil {
			return err
		}
		n := floatsOf(c)
		if n == nil {
			return fmt.Errorf("column %q has type %s; values must be numbers: cast the column", name, c.DataType())
		}
		a.numbers = append(a.numbers, n)
	}
	a.at, a.length = 0, int(batch.NumRows())
	return nil
}

// columnIn finds a column by name, or, of a value in a struct, by names joined by dots.
func columnIn(batch arrow.Record, name string) (arrow.Array, error) {
	var names []string
	for _, f := range batch.Schema().Fields() {
		names = append(names, f.Name)
	}
	columns, rest := batch.Columns(), name
	for fields := batch.Schema().Fields(); ; {
		at := slices.IndexFunc(fields, func(f arrow.Field) bool { return f.Name == rest })
		if at >= 0 {
			if len(columns) == len(names) && rest == name {
				_, err := column(names, name)
				return columns[at], err
			}
			return columns[at], nil
		}
		outer, inner, nested := strings.Cut(rest, ".")
		at = slices.IndexFunc(fields, func(f arrow.Field) bool { return f.Name == outer })
		if !nested || at < 0 {
			break
		}
		s, ok := columns[at].(*array.Struct)
		if !ok {
			break
		}
		columns = nil
		for i := range s.NumField() {
			columns = append(columns, within(s, s.Field(i)))
		}
		fields, rest = s.DataType().(*arrow.StructType).Fields(), inner
	}
	_, err := column(names, name)
	return nil, err
}

// within is a field of a struct, null where the struct is.
func within(s *array.Struct, field arrow.Array) arrow.Array {
	if s.NullN() == 0 {
		return field
	}
	data := field.Data()
	valid := memory.NewResizableBuffer(memory.DefaultAllocator)
	valid.Resize(int(bitutil.BytesForBits(int64(s.Len()))))
	nulls := 0
	for i := range s.Len() {
		ok := s.IsValid(i) && field.IsValid(i)
		bitutil.SetBitTo(valid.Bytes(), i, ok)
		if !ok {
			nulls++
		}
	}
	if data.Offset() != 0 {
		return field // parts of arrays are not read from files
	}
	buffers := slices.Clone(data.Buffers())
	buffers[0] = valid
	return array.MakeFromData(array.NewData(data.DataType(), data.Len(), buffers, data.Children(), nulls, 0))
}

// next implements rows.
func (a *arrowRows) next(r *row, wanted bool) error {
	for a.at == a.length {
		if err := a.nextBatch(); err != nil {
			return err
		}
	}
	i := a.at
	a.at++
	a.row++
	if !wanted {
		return nil
	}
	var ok bool
	if r.key, ok = a.key(i); !ok {
		return a.null(a.columns.key)
	}
	if a.text != nil {
		text, ok := a.text(i)
		if !ok {
			return a.null(a.columns.text)
		}
		r.text = strings.Clone(text) // the batch's memory may be reused
	}
	for j, n := range a.numbers {
		v, ok := n(i)
		if !ok {
			return a.null(a.columns.numbers[j])
		}
		if problem := notFinite(v); problem != "" {
			return &badRow{a.place(a.columns.numbers[j]), problem}
		}
		r.values[j] = v
	}
	return nil
}

func (a *arrowRows) nextBatch() error {
	var batch arrow.Record
	err := arrowfile.Guard(func() (err error) {
		if batch, err = a.batches.Next(); err == nil {
			err = a.bind(batch)
		}
		return err
	})
	if err == nil || err == io.EOF {
		return err
	}
	return fmt.Errorf("after row %d: %w: the file is truncated or damaged; write or copy it again", a.row, err)
}

// place implements rows.
func (a *arrowRows) place(column string) string {
	return fmt.Sprintf("row %d, column %q", a.row, column)
}

func (a *arrowRows) null(column string) error {
	return &badRow{a.place(column), "there is no value (null)"}
}

// close implements rows.
func (a *arrowRows) close() { a.batches.Close() }

// textsOf reads a column as bytes. Text and binary are taken as they are; whole numbers,
// booleans, dates and times as text; dictionaries as their values. It is nil for a column of
// any other type.
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
		*array.Boolean, *array.Date32, *array.Date64, *array.Decimal128, *array.Decimal256, *array.Float32, *array.Float64,
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

// floatsOf reads a column of numbers, or a dictionary of numbers. It is nil for a column of
// any other type.
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

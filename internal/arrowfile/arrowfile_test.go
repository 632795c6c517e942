package arrowfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
)

var small = Limits{Fields: 200, Batch: 1 << 20}

// table is a record batch with the types whose lengths are easy to get wrong.
func table(rows int) arrow.Record {
	word := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}
	md := arrow.NewMetadata([]string{"made"}, []string{"by a test"})
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "key", Type: arrow.BinaryTypes.String}, {Name: "word", Type: word}, {Name: "v", Type: arrow.PrimitiveTypes.Float64},
		{Name: "when", Type: &arrow.TimestampType{Unit: arrow.Second, TimeZone: "UTC"}},
		{Name: "list", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64)},
	}, &md)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for i := range rows {
		b.Field(0).(*array.StringBuilder).Append(fmt.Sprint("key ", i))
		_ = b.Field(1).(*array.BinaryDictionaryBuilder).AppendString([]string{"a", "b"}[i%2])
		b.Field(2).(*array.Float64Builder).Append(float64(i))
		b.Field(3).(*array.TimestampBuilder).Append(arrow.Timestamp(i))
		l := b.Field(4).(*array.ListBuilder)
		l.Append(true)
		l.ValueBuilder().(*array.Int64Builder).Append(int64(i))
	}
	return b.NewRecord()
}

// seekable is a buffer with the position that Arrow's file writer asks for.
type seekable struct{ bytes.Buffer }

func (s *seekable) Seek(int64, int) (int64, error) { return int64(s.Len()), nil }

// images are the same rows in every form that is read.
func images(t testing.TB, rows int) map[string][]byte {
	out := map[string][]byte{}
	ok := func(err error) {
		if t.Helper(); err != nil {
			t.Fatal(err)
		}
	}
	rec := table(rows)
	for name, options := range map[string][]ipc.Option{"file": nil, "zstd file": {ipc.WithZstd()}, "lz4 file": {ipc.WithLZ4()}} {
		var buf seekable
		w, err := ipc.NewFileWriter(&buf, append(options, ipc.WithSchema(rec.Schema()))...)
		ok(errors.Join(err, w.Write(rec), w.Write(rec), w.Close()))
		out[name] = buf.Bytes()
	}
	var buf bytes.Buffer
	w := ipc.NewWriter(&buf, ipc.WithSchema(rec.Schema()))
	ok(errors.Join(w.Write(rec), w.Write(rec), w.Close()))
	out["stream"] = buf.Bytes()
	for _, c := range []compress.Compression{compress.Codecs.Uncompressed, compress.Codecs.Snappy, compress.Codecs.Gzip, compress.Codecs.Brotli, compress.Codecs.Zstd} {
		var buf bytes.Buffer
		p, err := pqarrow.NewFileWriter(rec.Schema(), &buf, parquet.NewWriterProperties(parquet.WithCompression(c)), pqarrow.DefaultWriterProps())
		ok(errors.Join(err, p.Write(rec), p.Write(rec), p.Close()))
		out["parquet "+c.String()] = buf.Bytes()
	}
	return out
}

// read reads the columns key and v of a file of any kind, and returns how many rows it has.
func read(data []byte, l Limits) (rows int, err error) {
	var next func() (arrow.Record, error)
	if strings.HasPrefix(string(data), "PAR1") {
		p, err := OpenParquet(bytes.NewReader(data), int64(len(data)), []string{"key", "v"}, l)
		if err != nil {
			return 0, err
		}
		defer p.Close()
		next = p.Next
	} else {
		a, err := Open(bytes.NewReader(data), int64(len(data)), l)
		if err != nil {
			return 0, err
		}
		defer a.Close()
		next = a.Next
	}
	for {
		batch, err := next()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows += int(batch.NumRows())
	}
}

func TestEveryForm(t *testing.T) {
	for name, data := range images(t, 300) {
		if rows, err := read(data, small); err != nil || rows != 600 {
			t.Errorf("%s: %d rows, %v", name, rows, err)
		}
		if _, err := read(data, Limits{Fields: 200, Batch: 1 << 10}); err == nil {
			t.Errorf("%s: 300 rows are within a budget of 1 KiB", name)
		}
	}
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// mostAllocated is what reading a damaged image may allocate. Its batches may each use up
// the budget, and the libraries have tables and windows of their own.
const mostAllocated = 64 << 20

// TestClaims writes lengths that no file has into every place of every form. Arrow's own
// readers allocate 137 GB for some.
func TestClaims(t *testing.T) {
	step := 3
	if testing.Short() {
		step = 7
	}
	for name, data := range images(t, 3) {
		for at := 0; at+8 <= len(data); at += step {
			for _, claim := range []uint64{1 << 37, 0x7fffffff, 0xffffffff7fffff7f} {
				damaged := bytes.Clone(data)
				binary.LittleEndian.PutUint64(damaged[at:], claim)
				if n := allocated(func() { _, _ = read(damaged, small) }); n > mostAllocated {
					t.Fatalf("%s, %#x at byte %d: %d MiB were allocated", name, claim, at, n>>20)
				}
			}
		}
	}
}

// A stream may replace its dictionaries as often as it likes; one that only grows is bounded.
func TestDictionariesAreInTheBudget(t *testing.T) {
	word := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	schema := arrow.NewSchema([]arrow.Field{{Name: "word", Type: word}}, nil)
	for _, c := range []struct {
		why     string
		options []ipc.Option
		fits    bool
	}{
		{"each batch has words of its own", nil, true},
		{"the dictionary grows with each batch", []ipc.Option{ipc.WithDictionaryDeltas(true)}, false},
	} {
		var buf bytes.Buffer
		w := ipc.NewWriter(&buf, append(c.options, ipc.WithSchema(schema))...)
		all := array.NewDictionaryBuilder(memory.DefaultAllocator, word).(*array.BinaryDictionaryBuilder)
		for batch := range 30 {
			b := all
			if c.fits {
				b = array.NewDictionaryBuilder(memory.DefaultAllocator, word).(*array.BinaryDictionaryBuilder)
			}
			for i := range 1000 {
				_ = b.AppendString(fmt.Sprint(batch, strings.Repeat("x", 90), i))
			}
			a := b.NewArray()
			if err := w.Write(array.NewRecord(schema, []arrow.Array{a}, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := read(buf.Bytes(), small); (err == nil) != c.fits {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}

// FuzzRead: whatever the bytes, an error or rows, within the budget.
func FuzzRead(f *testing.F) {
	for _, data := range images(f, 3) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if n := allocated(func() { _, _ = read(data, small) }); n > mostAllocated+64*uint64(len(data)) {
			t.Fatalf("%d MiB were allocated", n>>20)
		}
	})
}

// Parquet compressed as LZ4_RAW, by PyArrow, is read; the library itself does not know it.
func TestLZ4Raw(t *testing.T) {
	data, err := os.ReadFile("testdata/lz4_raw.parquet")
	if err != nil {
		t.Fatal(err)
	}
	p, err := OpenParquet(bytes.NewReader(data), int64(len(data)), []string{"v"}, Limits{Fields: 10, Batch: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	next := int64(0)
	for {
		batch, err := p.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range batch.Column(0).(*array.Int64).Int64Values() {
			if v != next {
				t.Fatalf("row %d is %d", next, v)
			}
			next++
		}
	}
	if next != 200 {
		t.Errorf("%d rows of 200", next)
	}
}

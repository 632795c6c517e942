package arrowfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/metadata"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
	"github.com/golang/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// parquetRows is how many rows of a Parquet file are decoded at a time.
const parquetRows = 4096

// Parquet reads columns of a Parquet file. It must not be used concurrently.
type Parquet struct {
	schema *arrow.Schema
	rows   pqarrow.RecordReader // nil: a column is missing
	mem    budget
}

// OpenParquet opens a Parquet file of the given size and reads the named columns. If the
// file lacks one of them, it has a schema but no rows. The budget of a batch holds for each
// page of a column, too.
func OpenParquet(r io.ReaderAt, size int64, columns []string, l Limits) (*Parquet, error) {
	boundCodecs()
	p := &Parquet{mem: budget{Allocator: memory.NewGoAllocator(), limit: l.Batch}}
	return p, Guard(func() error { return p.open(io.NewSectionReader(r, 0, size), columns, l) })
}

func (p *Parquet) open(r *io.SectionReader, columns []string, l Limits) error {
	if err := checkFooter(r); err != nil {
		return err
	}
	props := parquet.NewReaderProperties(&p.mem)
	props.BufferedStreamEnabled = true // not whole column chunks at once
	f, err := file.NewParquetReader(r, file.WithReadProps(props))
	if err != nil {
		return err
	}
	a, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{BatchSize: parquetRows}, &p.mem)
	if err != nil {
		return err
	}
	if p.schema, err = a.Schema(); err != nil {
		return err
	}
	leaves := []int{}
	for _, name := range columns {
		// A nested column has no leaf of its own name; the caller refuses its type.
		if i := f.MetaData().Schema.ColumnIndexByName(name); i >= 0 {
			leaves = append(leaves, i)
		}
	}
	if len(leaves) < len(columns) {
		return nil
	}
	for g := range f.NumRowGroups() {
		for _, i := range leaves {
			chunk, err := f.RowGroup(g).MetaData().ColumnChunk(i)
			if err == nil {
				err = checkPages(r, chunk, l.Batch)
			}
			if err != nil {
				return fmt.Errorf("row group %d, column %q: %w", g, f.MetaData().Schema.Column(i).Name(), err)
			}
		}
	}
	p.rows, err = a.GetRecordReader(context.Background(), leaves, nil)
	return err
}

// Schema returns the file's schema.
func (p *Parquet) Schema() *arrow.Schema { return p.schema }

// Next returns the next rows, io.EOF after the last. They are valid until the next call.
func (p *Parquet) Next() (batch arrow.Record, err error) {
	if p.rows == nil {
		return nil, io.EOF
	}
	p.mem.used = 0
	end := false
	err = Guard(func() (err error) {
		batch, err = p.rows.Read()
		end = err == io.EOF
		return err
	})
	if end {
		return nil, io.EOF
	}
	return batch, err
}

// Close frees the columns.
func (p *Parquet) Close() {
	if p.rows != nil {
		p.rows.Release()
	}
}

// checkFooter checks the lengths in the metadata at the end of a Parquet file, which the
// library would allocate memory for. Its last 8 bytes are the length of the metadata and
// "PAR1".
func checkFooter(r *io.SectionReader) error {
	var foot [8]byte
	if _, err := r.ReadAt(foot[:], r.Size()-8); err != nil {
		return fmt.Errorf("the footer: %w", err)
	}
	n := int64(binary.LittleEndian.Uint32(foot[:]))
	if string(foot[4:]) != "PAR1" {
		return errors.New("it has no footer")
	}
	if n > r.Size()-8 || n > maxMetadataBytes {
		return fmt.Errorf("the footer claims %d bytes of metadata", n)
	}
	meta := make([]byte, n)
	if _, err := r.ReadAt(meta, r.Size()-8-n); err != nil {
		return err
	}
	c := compact{left: meta}
	c.skip(compactStruct, 0)
	return nil
}

// page is what the header of a page of a column says about lengths.
type page struct {
	stored, decoded int
	values          int  // of a dictionary
	delta           bool // the values are encoded as differences
}

const (
	firstHeader   = 4 << 10 // bytes read for the header of a page, at first
	valueBytes    = 24      // memory of a dictionary's value, at most
	encodingDelta = 5       // DELTA_BINARY_PACKED, DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY
	encodingLast  = 7
)

// checkPages checks the headers of the pages of a column chunk against its length.
func checkPages(r io.ReaderAt, chunk *metadata.ColumnChunkMetaData, most int) error {
	if chunk.NumValues() == 0 {
		return nil // no page is read
	}
	at, length := chunk.DataPageOffset(), chunk.TotalCompressedSize()
	if first := chunk.DictionaryPageOffset(); chunk.HasDictionaryPage() && first > 0 && first < at {
		at = first
	}
	if at < 0 || length < 0 || at+length < at {
		return fmt.Errorf("it claims %d bytes at byte %d", length, at)
	}
	for end := at + length; at < end; {
		var h page
		n, err := 0, errors.New("")
		for size := int64(firstHeader); err != nil; size *= 8 {
			buf := make([]byte, min(size, end-at, maxMetadataBytes))
			if k, bad := r.ReadAt(buf, at); k < len(buf) && bad != io.EOF {
				return bad
			} else {
				buf = buf[:k]
			}
			err = Guard(func() error {
				h, n = readPage(buf)
				return nil
			})
			if err != nil && int64(len(buf)) < size {
				return fmt.Errorf("the page at byte %d has no header", at)
			}
		}
		at += int64(n)
		switch {
		case h.stored < 0 || int64(h.stored) > end-at:
			return fmt.Errorf("the page at byte %d claims %d bytes, more than the column has", at, h.stored)
		case h.decoded < 0 || h.decoded > most || h.values < 0 || h.values > most/valueBytes:
			return fmt.Errorf("the page at byte %d claims %d bytes and %d values, where %d bytes are the most", at, h.decoded, h.values, most)
		case h.delta:
			return fmt.Errorf("the page at byte %d has values encoded as differences, the lengths of which cannot be checked: write the column plain or with a dictionary", at)
		}
		at += int64(h.stored)
	}
	return nil
}

// readPage reads a page header of the Parquet format (struct PageHeader), and returns how
// long it is. It panics if buf does not have the whole header.
func readPage(buf []byte) (h page, n int) {
	c := compact{left: buf}
	c.fields(0, func(id int, kind byte) bool {
		switch id {
		case 2:
			h.decoded = int(c.integer())
		case 3:
			h.stored = int(c.integer())
		case 5, 7, 8: // of a data page, a dictionary, a data page of version 2
			encoding := 2
			if id == 8 {
				encoding = 4
			}
			c.fields(1, func(field int, _ byte) bool {
				switch {
				case field == 1 && id == 7:
					h.values = int(c.integer())
				case field == encoding && id != 7:
					e := c.integer()
					h.delta = e >= encodingDelta && e <= encodingLast
				default:
					return false
				}
				return true
			})
		default:
			return false
		}
		return true
	})
	return h, len(buf) - len(c.left)
}

// compact reads Thrift's compact protocol, in which Parquet has its metadata. Its methods
// panic where the bytes end early or claim more elements than there are bytes.
type compact struct{ left []byte }

// Types of the compact protocol.
const (
	compactTrue   = 1
	compactFalse  = 2
	compactByte   = 3
	compactDouble = 7
	compactBinary = 8
	compactList   = 9
	compactSet    = 10
	compactMap    = 11
	compactStruct = 12

	maxThriftDepth = 32
)

func (c *compact) take(n int) []byte {
	p := c.left[:n]
	c.left = c.left[n:]
	return p
}

func (c *compact) varint() uint64 {
	v, n := binary.Uvarint(c.left)
	c.left = c.left[max(n, 1):]
	return v
}

// integer reads an integer of any size.
func (c *compact) integer() int64 {
	v := c.varint()
	return int64(v>>1) ^ -int64(v&1)
}

// count checks a number of bytes or elements.
func (c *compact) count(n uint64) int {
	if n > uint64(len(c.left)) {
		panic("the metadata claim more than they have")
	}
	return int(n)
}

// fields calls f with each field of a struct; where f returns false, the field is skipped.
func (c *compact) fields(depth int, f func(id int, kind byte) bool) {
	for id := 0; ; {
		b := c.take(1)[0]
		if b == 0 {
			return
		}
		if delta := int(b >> 4); delta != 0 {
			id += delta
		} else {
			id = int(int16(c.integer()))
		}
		if kind := b & 15; kind != compactTrue && kind != compactFalse && !f(id, kind) {
			c.skip(kind, depth+1)
		}
	}
}

// skip reads a value that is no boolean field of a struct.
func (c *compact) skip(kind byte, depth int) {
	if depth > maxThriftDepth {
		panic("the metadata are nested too deeply")
	}
	switch kind {
	case compactTrue, compactFalse, compactByte:
		c.take(1)
	case compactDouble:
		c.take(8)
	case compactBinary:
		c.take(c.count(c.varint()))
	case compactList, compactSet:
		b := c.take(1)[0]
		n := uint64(b >> 4)
		if n == 15 {
			n = c.varint()
		}
		for range c.count(n) {
			c.skip(b&15, depth+1)
		}
	case compactMap:
		n := c.count(c.varint())
		if n > 0 {
			kinds := c.take(1)[0]
			for range n {
				c.skip(kinds>>4, depth+1)
				c.skip(kinds&15, depth+1)
			}
		}
	case compactStruct:
		c.fields(depth, func(int, byte) bool { return false })
	default: // an integer
		c.varint()
	}
}

// boundCodecs makes the Parquet library decode pages into the memory that their headers
// claim, and no more. It has one set of codecs for the whole program.
var boundCodecs = sync.OnceFunc(func() {
	compress.RegisterCodec(lz4Raw, boundCodec{nil, lz4Raw})
	for _, of := range []compress.Compression{compress.Codecs.Snappy, compress.Codecs.Gzip, compress.Codecs.Brotli, compress.Codecs.Zstd} {
		if codec, err := compress.GetCodec(of); err == nil {
			compress.RegisterCodec(of, boundCodec{codec, of})
		}
	}
})

// lz4Raw is LZ4 blocks without frames, which the library does not know.
const lz4Raw = compress.Compression(7)

type boundCodec struct {
	compress.Codec // nil: it only decodes
	of             compress.Compression
}

// Decode implements compress.Codec: dst has the length that src must have when decoded.
func (c boundCodec) Decode(dst, src []byte) []byte {
	var r io.ReadCloser
	switch c.of {
	case compress.Codecs.Snappy:
		if n, err := snappy.DecodedLen(src); err != nil || n != len(dst) {
			panic("a compressed page is longer than its header says")
		}
		return c.Codec.Decode(dst, src)
	case lz4Raw:
		n, err := lz4.UncompressBlock(src, dst)
		if err != nil {
			panic(err)
		}
		if n != len(dst) {
			panic("a compressed page is shorter than its header says")
		}
		return dst
	case compress.Codecs.Zstd:
		d, err := zstd.NewReader(bytes.NewReader(src), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(uint64(max(len(dst), 8<<20))))
		if err != nil {
			panic(err)
		}
		r = d.IOReadCloser()
	default:
		r = c.NewReader(bytes.NewReader(src))
	}
	defer r.Close()
	if _, err := io.ReadFull(r, dst); err != nil {
		panic(err)
	}
	if n, _ := r.Read(make([]byte, 1)); n > 0 {
		panic("a compressed page is longer than its header says")
	}
	return dst
}

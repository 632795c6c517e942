package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/saspart/saspart/internal/files"
	"github.com/saspart/saspart/policy"
)

// Writer writes a trace, window by window. When Write returns, its window survives the
// death of the process.
//
// The trace is an Arrow IPC file of compressed batches of up to 64 windows. Until a batch
// is full, its windows are in the tail (path + ".tail"): an Arrow IPC stream of one
// uncompressed batch per window. The tail is cut back to its header when the batch has been
// written to the trace. One batch per window in the trace itself would take 12 kB per
// window at P 64; batches of 64 take 3.3 kB. Close writes the footer that other readers
// need and removes the tail. Reader needs neither footer nor a complete last batch.
//
// Not for concurrent use.
type Writer struct {
	name    string
	workers int
	cols    []column[row]
	schema  *arrow.Schema
	builder *array.RecordBuilder // without the checksums

	main    *sink
	records *ipc.FileWriter
	tail    *sink
	stream  *ipc.Writer
	tailLen int64 // of the tail's header

	group []row // windows in the tail and not yet in the trace
	bytes int   // their size before compression
	count int64
	kept  []uint32 // checksums of the windows that a resumed trace has
	err   error    // the first failure; nothing is written after it
	done  func() error
}

// file is what a Writer writes to.
type file interface {
	io.Writer
	io.Seeker
	Truncate(size int64) error
	Sync() error
	Close() error
}

// Create starts a trace at path and creates its folder if necessary. It never overwrites a
// trace.
func Create(path string, m Meta) (*Writer, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, fmt.Errorf("create trace: %w", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fmt.Errorf("%s exists; a trace is never overwritten: continue it with --resume, choose another folder, or remove it", path)
		}
		return nil, fmt.Errorf("create trace: %w", err)
	}
	// The trace gets its name once its header is in it, so that whatever has the
	// name of a trace can be opened. A tail that lies there has lost its trace.
	main, tail := path+".new", path+TailExt
	w, err := create(path, main, tail, m)
	if err != nil {
		return nil, fmt.Errorf("create trace: %w", err)
	}
	if err := files.Rename(main, path); err != nil {
		return nil, errors.Join(fmt.Errorf("create trace: %w", err), w.main.file.Close(), w.tail.file.Close(), os.Remove(main), os.Remove(tail))
	}
	return w, nil
}

// newWriter writes the headers of the trace and its tail.
func newWriter(name string, main, tail file, m Meta) (*Writer, error) {
	if m.Workers < 1 || m.Workers > policy.MaxWorkers {
		return nil, fmt.Errorf("a trace of %d workers; from 1 to %d are possible", m.Workers, policy.MaxWorkers)
	}
	cols := columnsOf(Version)
	schema := schemaOf(cols, &m)
	w := &Writer{
		name: name, workers: m.Workers, cols: cols, schema: schema,
		builder: array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fieldsOf(cols), nil)),
		main:    &sink{file: main}, tail: &sink{file: tail},
		done: func() error { return nil },
	}
	w.stream = ipc.NewWriter(w.tail, ipc.WithSchema(schema))
	var err error
	if w.records, err = ipc.NewFileWriter(w.main, ipc.WithSchema(schema), ipc.WithZstd()); err != nil {
		return nil, err
	}
	// Arrow writes a header with the first batch: one without rows brings it out.
	empty := withChecks(schema, w.builder.NewRecord())
	defer empty.Release()
	if err := errors.Join(w.records.Write(empty), w.stream.Write(empty)); err != nil {
		return nil, err
	}
	if err := errors.Join(w.tail.flush(), w.main.flush()); err != nil {
		return nil, err
	}
	w.tailLen = w.tail.pos
	return w, nil
}

// Write appends a window, which must not change afterwards. A window that does not fit the
// trace's number of workers is an error. After a failure to write, such as a full disk, all
// earlier windows stay readable and every later Write returns the same error.
func (w *Writer) Write(win *policy.Window) error {
	if w.err != nil {
		return w.err
	}
	err := checkShape(win, w.workers)
	size := rawSize(win)
	if err == nil && size > maxWindowBytes {
		err = fmt.Errorf("it takes %d bytes, more than the %d a window may have: name fewer hot keys", size, maxWindowBytes)
	}
	if err != nil {
		return fmt.Errorf("write trace %s: window %d: %w", w.name, w.count, err)
	}
	next := row{Window: *win, Index: w.count}
	if w.count < w.Kept() {
		if err := w.compare(next); err != nil {
			return fmt.Errorf("resume trace %s: window %d: %w", w.name, w.count, err)
		}
		w.count++
		return nil
	}
	if err := w.write(next, size); err != nil {
		w.err = fmt.Errorf("write trace %s: window %d: %w; what came before it is kept", w.name, w.count, err)
		return w.err
	}
	w.count++
	return nil
}

// Windows is the number of windows written.
func (w *Writer) Windows() int64 { return w.count }

// write puts r, of about size bytes, in the tail, and the group in the trace when
// it is full.
func (w *Writer) write(r row, size int) error {
	if err := w.put(w.stream.Write, w.tail, r); err != nil {
		return err
	}
	w.group, w.bytes = append(w.group, r), w.bytes+size
	if len(w.group) >= groupWindows || w.bytes >= groupBytes {
		return w.endGroup()
	}
	return nil
}

// endGroup moves the tail's windows to the trace as one batch.
func (w *Writer) endGroup() error {
	if len(w.group) == 0 {
		return nil
	}
	if err := w.put(w.records.Write, w.main, w.group...); err != nil {
		return err
	}
	// What the tail held must be on the disk before it is cut.
	if err := w.main.file.Sync(); err != nil {
		return err
	}
	clear(w.group)
	w.group, w.bytes = w.group[:0], 0
	return w.tail.cut(w.tailLen)
}

// put writes rows as one batch.
func (w *Writer) put(write func(arrow.Record) error, to *sink, rows ...row) error {
	rec := w.batch(rows...)
	defer rec.Release()
	if err := write(rec); err != nil {
		return err
	}
	return to.flush()
}

// batch returns rows as one batch.
func (w *Writer) batch(rows ...row) arrow.Record {
	for i := range rows {
		for j, c := range w.cols {
			c.put(w.builder.Field(j), &rows[i])
		}
	}
	return withChecks(w.schema, w.builder.NewRecord())
}

// Close finishes the file, after which other programs can read it, and removes
// the tail. After a failure it leaves both as they are: Reader reads them.
func (w *Writer) Close() error {
	if w.records == nil {
		return nil
	}
	err := w.err
	if err == nil {
		if err = w.finish(); err != nil {
			err = fmt.Errorf("close trace %s: %w", w.name, err)
		}
	}
	w.builder.Release()
	w.records = nil
	closed := errors.Join(w.main.file.Close(), w.tail.file.Close())
	if err == nil && closed == nil {
		closed = w.done()
	}
	if closed != nil {
		err = errors.Join(err, fmt.Errorf("close trace %s: %w", w.name, closed))
	}
	w.err = errors.Join(fmt.Errorf("write trace %s: it is closed", w.name), err)
	return err
}

func (w *Writer) finish() error {
	if err := w.endGroup(); err != nil {
		return err
	}
	if err := w.records.Close(); err != nil {
		return err
	}
	if err := w.main.flush(); err != nil {
		return err
	}
	return w.main.file.Sync() // the tail goes next
}

// sink collects what Arrow writes in many small pieces and hands a batch to the
// file in one write.
type sink struct {
	file file
	buf  bytes.Buffer
	pos  int64 // of the next byte written to the sink
}

func (s *sink) Write(p []byte) (int, error) {
	s.pos += int64(len(p))
	return s.buf.Write(p)
}

// Seek returns the position. Arrow uses it for nothing else.
func (s *sink) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekCurrent {
		return 0, fmt.Errorf("seek to %d from %d: a trace is written from front to back", offset, whence)
	}
	return s.pos, nil
}

func (s *sink) flush() error {
	_, err := s.buf.WriteTo(s.file)
	return err
}

// cut shortens the file to size; later writes append.
func (s *sink) cut(size int64) error {
	if err := s.file.Truncate(size); err != nil {
		return err
	}
	_, err := s.file.Seek(size, io.SeekStart)
	s.pos = size
	return err
}

package dataset

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/saspart/saspart/internal/arrowfile"
	"github.com/saspart/saspart/internal/files"
	"github.com/saspart/saspart/policy"
)

// Reader reads the windows of a trace in order, one batch in memory at a time.
// It also reads a trace whose run was killed: the complete batches of the file, then the
// windows of its tail.
//
// Every error names the file and, past the header, the byte where the offending
// batch begins. Not for concurrent use.
type Reader struct {
	meta     Meta
	version  int
	cols     []column[row]
	complete bool
	parts    []*part // the trace, then its tail
	files    []*os.File

	batch arrow.Record
	next  int           // row of batch
	route *policy.Route // of that window: equal ones are shared
	count int64
	err   error
}

// part is one of the two files of a trace.
type part struct {
	name   string
	tail   bool
	reader *arrowfile.Reader
}

// limits bounds what a trace may take, whatever a corrupt one claims.
var limits = arrowfile.Limits{Fields: 1000, Batch: maxBatchBytes} // a trace has about 60 fields

// Open opens the trace at path. It refuses an empty file, one that is no trace
// and one of another format version.
func Open(path string) (*Reader, error) {
	r := &Reader{}
	if err := r.open(path); err != nil {
		return nil, errors.Join(fmt.Errorf("open trace %s: %w", path, err), r.Close())
	}
	return r, nil
}

func (r *Reader) open(path string) error {
	f, size, err := r.openFile(path)
	if err != nil {
		return err
	}
	if err := r.begin(path, f, size); err != nil {
		return err
	}
	if r.complete {
		return nil
	}
	tail, size, err := r.openFile(path + TailExt)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return r.beginTail(path+TailExt, tail, size)
}

func (r *Reader) openFile(path string) (*os.File, int64, error) {
	f, err := files.Open(path)
	if err != nil {
		return nil, 0, unpath(err)
	}
	r.files = append(r.files, f)
	info, err := f.Stat()
	if err != nil {
		return nil, 0, unpath(err)
	}
	return f, info.Size(), nil
}

// unpath drops the path from an error, because the caller's message has it.
func unpath(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// begin reads the header of the trace itself.
func (r *Reader) begin(name string, f io.ReaderAt, size int64) error {
	if size == 0 {
		return errors.New("the file is empty")
	}
	head := make([]byte, min(size, arrowfile.HeadBytes))
	if _, err := f.ReadAt(head, 0); err != nil {
		return unpath(err)
	}
	if !strings.HasPrefix(string(head), arrowfile.Magic) || size < arrowfile.HeadBytes {
		return fmt.Errorf("not an Arrow file: it begins with %q instead of %q", head, arrowfile.Magic)
	}
	end, complete, err := arrowfile.End(f, size)
	if err != nil {
		return unpath(err)
	}
	r.complete = complete
	p, err := newPart(name, f, arrowfile.HeadBytes, end, !complete)
	if err != nil {
		return err
	}
	if r.meta, r.version, err = metaOf(p.reader.Schema()); err != nil {
		return err
	}
	r.cols = columnsOf(r.version)
	r.parts = append(r.parts, p)
	return nil
}

// beginTail reads the header of the tail. A tail that was killed before it had
// one holds no windows.
func (r *Reader) beginTail(name string, f io.ReaderAt, size int64) error {
	if size == 0 {
		return nil
	}
	p, err := newPart(name, f, 0, size, true)
	if err != nil {
		return fmt.Errorf("its tail %s: %w", name, err)
	}
	meta, version, err := metaOf(p.reader.Schema())
	if err == nil && (meta != r.meta || version != r.version) {
		err = errors.New("it belongs to another trace: remove it, or the trace")
	}
	if err != nil {
		return fmt.Errorf("its tail %s: %w", name, err)
	}
	p.tail = true
	r.parts = append(r.parts, p)
	return nil
}

func newPart(name string, f io.ReaderAt, start, end int64, partial bool) (*part, error) {
	reader, err := arrowfile.New(f, start, end, partial, limits)
	switch {
	case errors.Is(err, arrowfile.ErrCut):
		return nil, fmt.Errorf("the file is cut short within its header, at byte %d", end)
	case err != nil:
		return nil, fmt.Errorf("the header at byte %d is corrupt: %w", start, err)
	}
	return &part{name: name, reader: reader}, nil
}

// Meta returns the metadata of the trace's run.
func (r *Reader) Meta() Meta { return r.meta }

// Checked reports whether the windows are verified by checksums, which traces of format
// version 1 do not have.
func (r *Reader) Checked() bool { return hasChecks(r.version) }

// Complete reports whether the trace was closed. A trace that was not closed ends with the
// last window that was written, and other programs cannot read it before Repair.
func (r *Reader) Complete() bool { return r.complete }

// Windows returns the number of windows returned so far.
func (r *Reader) Windows() int64 { return r.count }

// Next returns the next window, io.EOF after the last. The window is the
// caller's; consecutive windows under one route share it.
func (r *Reader) Next() (*policy.Window, error) {
	for r.err == nil {
		if r.batch == nil || r.next == int(r.batch.NumRows()) {
			r.err = r.nextBatch()
			continue
		}
		w, err := r.window()
		if err != nil {
			r.err = r.fail(err)
			break
		}
		if r.parts[0].tail && w.Index < r.count {
			continue // the trace has taken it over, the tail was not cut back yet
		}
		if err := r.check(w); err != nil {
			r.err = r.fail(err)
			break
		}
		r.count++
		return &w.Window, nil
	}
	return nil, r.err
}

// check returns an error for a row that no Writer wrote. A row whose route equals that of
// the row before shares it.
func (r *Reader) check(w *row) error {
	if w.Index != r.count {
		if r.parts[0].tail {
			return fmt.Errorf("window %d follows window %d: the trace is still being written: open it again", w.Index, r.count-1)
		}
		return fmt.Errorf("window %d follows window %d", w.Index, r.count-1)
	}
	if err := checkShape(&w.Window, r.meta.Workers); err != nil {
		return err
	}
	if w.Route == nil {
		return nil
	}
	if r.route != nil && sameRoute(r.route, w.Route) {
		w.Route = r.route
		return nil
	}
	r.route = w.Route
	return w.Route.Validate()
}

func sameRoute(a, b *policy.Route) bool {
	return a.Version == b.Version && a.Workers == b.Workers && slices.Equal(a.Slots, b.Slots) &&
		slices.EqualFunc(a.Keys, b.Keys, func(x, y policy.KeyRoute) bool {
			return x.Hash == y.Hash && x.Name == y.Name && slices.Equal(x.Workers, y.Workers) && slices.Equal(x.Shares, y.Shares)
		})
}

// fail adds the position of the current batch to an error.
func (r *Reader) fail(err error) error {
	p := r.parts[0]
	return fmt.Errorf("read trace %s: after %d windows, in the batch at byte %d: %w", p.name, r.count, p.reader.Position(), err)
}

// nextBatch reads the next batch of the trace, then those of the tail.
func (r *Reader) nextBatch() error {
	for len(r.parts) > 0 {
		p := r.parts[0]
		batch, err := p.reader.Next()
		if err == nil && r.Checked() {
			err = verify(batch)
		}
		r.batch, r.next = batch, 0
		switch {
		case err == nil:
			return nil
		case errors.Is(err, arrowfile.ErrCut):
			return r.fail(errors.New("the batch is cut short though the file has its footer: the file is corrupt"))
		case err != io.EOF:
			return r.fail(err)
		}
		r.parts = r.parts[1:]
	}
	return io.EOF
}

// window takes the next row out of the batch.
func (r *Reader) window() (w *row, err error) {
	w = &row{}
	err = arrowfile.Guard(func() error {
		for j, c := range r.cols {
			c.get(r.batch.Column(j), r.next, w)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("row %d is corrupt: %w", r.next, err)
	}
	r.next++
	return w, nil
}

// Close frees the files.
func (r *Reader) Close() error {
	var errs []error
	for _, f := range r.files {
		errs = append(errs, f.Close())
	}
	r.files, r.parts, r.batch = nil, nil, nil
	if r.err == nil {
		r.err = fs.ErrClosed
	}
	return errors.Join(errs...)
}

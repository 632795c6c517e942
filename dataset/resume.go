package dataset

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/saspart/saspart/internal/files"
)

// Resume continues the trace at path, which an interrupted or killed run left, for a run that
// measures all of its windows again. It keeps the windows that the trace has: the first Kept
// calls of Write compare a window with the kept one, and refuse one that differs. Later calls
// append. The result is what an undisturbed run writes, byte for byte.
//
// same is given the trace's metadata and returns an error if they are of another run. The trace
// keeps its metadata. If Resume fails, or the process ends meanwhile, the trace has all of its
// windows.
func Resume(path string, same func(Meta) error) (w *Writer, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("resume trace %s: %w", path, err)
		}
	}()
	r, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if r.version != Version {
		return nil, fmt.Errorf("it has format version %d, and a version %d can be resumed: collect into another folder", r.version, Version)
	}
	if err := same(r.Meta()); err != nil {
		return nil, err
	}
	// The new tail replaces the old one first. It has the last windows, which the old trace may
	// have too: Reader takes each once.
	main, tail := path+".new", path+TailExt+".new"
	w, err = create(path, main, tail, r.Meta())
	if err != nil {
		return nil, err
	}
	if err = w.keep(r); err == nil {
		if err = files.Rename(tail, path+TailExt); err == nil {
			err = files.Rename(main, path)
		}
	}
	if err != nil {
		return nil, errors.Join(err, w.main.file.Close(), w.tail.file.Close(), discard(main), discard(tail))
	}
	return w, nil
}

// keep writes the windows that a trace has.
func (w *Writer) keep(r *Reader) error {
	for {
		win, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		next := row{Window: *win, Index: int64(len(w.kept))}
		w.kept = append(w.kept, w.sum(next))
		if err := w.write(next, rawSize(win)); err != nil {
			return err
		}
	}
}

// sum is the checksum of a window.
func (w *Writer) sum(r row) uint32 {
	batch := w.batch(r)
	defer batch.Release()
	return batch.Column(int(batch.NumCols()) - 1).(*array.Uint32).Value(0)
}

// Kept returns how many windows a resumed trace had.
func (w *Writer) Kept() int64 { return int64(len(w.kept)) }

// compare checks a window that the trace has already.
func (w *Writer) compare(r row) error {
	if w.sum(r) != w.kept[r.Index] {
		return errors.New("the run measures another window than the trace has: it is not the same run, or not the same version of the program; collect into another folder")
	}
	return nil
}

// create makes the files of a trace, with headers, under names of their own.
func create(path, mainName, tailName string, m Meta) (*Writer, error) {
	tail, err := os.Create(tailName)
	if err != nil {
		return nil, err
	}
	main, err := os.Create(mainName)
	if err != nil {
		return nil, errors.Join(err, tail.Close(), os.Remove(tailName))
	}
	w, err := newWriter(path, main, tail, m)
	if err != nil {
		return nil, errors.Join(err, main.Close(), tail.Close(), os.Remove(mainName), os.Remove(tailName))
	}
	w.done = func() error { return os.Remove(path + TailExt) }
	return w, nil
}

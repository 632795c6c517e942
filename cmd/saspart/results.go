package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/saspart/saspart/internal/files"
	"github.com/saspart/saspart/stream"
)

// resultFile is a CSV file of reduced results, a row for each key of each
// aggregation window: when the window ends, the key, its result. Keys may be any
// bytes; strconv.Unquote of the field between double quotes gives them back.
//
// Windows reach the file whole. Until it is closed it goes by another name, so that
// no reader mistakes a running, failed or killed run for a complete one.
type resultFile struct {
	path  string
	slide time.Duration
	file  *os.File
	whole int64 // bytes of whole windows in the file
	any   bool  // there was a result

	window bytes.Buffer // the rows of one
	rows   *csv.Writer  // into window
	last   int64        // its slide
	text   []byte
	failed atomic.Pointer[error] // the first; results may come from a goroutine of the job's
}

// partialExt ends the name of a result file that is not closed.
const partialExt = ".partial"

// createResults begins the results of a job whose slides have that length.
func createResults(path string, slide time.Duration) (*resultFile, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("create the results: %s is not a file; name one, or one that is not there yet", path)
	}
	file, err := os.Create(path + partialExt)
	if err != nil {
		return nil, fmt.Errorf("create the results: %w", err)
	}
	r := &resultFile{path: path, slide: slide, file: file}
	r.rows = csv.NewWriter(&r.window)
	_ = r.rows.Write([]string{"window_end_s", "key", "result"}) // into memory
	return r, nil
}

// add is an engine.ResultFunc.
func (r *resultFile) add(slide int64, key string, result stream.Result) {
	if slide != r.last {
		r.flush()
		r.last = slide
	}
	r.any = true
	end := time.Duration(slide+1) * r.slide
	r.text = result.AppendText(r.text[:0])
	_ = r.rows.Write([]string{ // into memory
		strconv.FormatFloat(end.Seconds(), 'f', -1, 64), escaped(key), string(r.text),
	})
}

// escaped is a key as strconv.Quote has it, without the quotes.
func escaped(key string) string {
	q := strconv.Quote(key)
	return q[1 : len(q)-1]
}

// flush moves the window to the file.
func (r *resultFile) flush() {
	r.rows.Flush()
	defer r.window.Reset()
	if r.err() != nil {
		return
	}
	n, err := r.file.Write(r.window.Bytes())
	if err != nil {
		err = fmt.Errorf("write the results: %w", errors.Join(err, r.file.Truncate(r.whole)))
		r.failed.Store(&err)
		return
	}
	r.whole += int64(n)
}

// err is what went wrong so far.
func (r *resultFile) err() error {
	if err := r.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// close ends the file once the job is closed. Only a run that went as it should
// gives it its name; one that failed without a result leaves nothing.
func (r *resultFile) close(whole bool) error {
	known := r.err()
	r.flush()
	err := r.err()
	if known != nil {
		err = nil // it has ended the run
	}
	if closing := r.file.Close(); closing != nil {
		err = errors.Join(err, fmt.Errorf("write the results: %w", closing))
	}
	if !whole || known != nil || err != nil {
		if !r.any {
			err = errors.Join(err, os.Remove(r.path+partialExt))
		}
		return err
	}
	if err := files.Rename(r.path+partialExt, r.path); err != nil {
		return fmt.Errorf("give the results their name: %w", err)
	}
	return nil
}

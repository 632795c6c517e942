package dataset

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/saspart/saspart/internal/files"
)

// Repair closes a trace whose run was killed, so that other programs can read it,
// and returns the number of windows it holds. A trace that was closed stays as it
// is. The trace is replaced only once the repaired one is complete.
func Repair(path string) (windows int64, err error) {
	r, err := Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()

	var w *Writer
	whole := path + ".repaired"
	if !r.Complete() {
		if err = discard(whole); err != nil { // of a repair that was killed
			return 0, err
		}
		if w, err = Create(whole, r.Meta()); err != nil {
			return 0, err
		}
	}
	for err == nil {
		win, nextErr := r.Next()
		switch {
		case nextErr != nil:
			err = nextErr
		case w != nil:
			err = w.Write(win)
		}
	}
	if err == io.EOF {
		err = nil
	}
	if w == nil {
		return r.Windows(), err
	}
	if err = errors.Join(err, w.Close()); err == nil {
		err = files.Rename(whole, path)
	}
	if err != nil {
		return 0, errors.Join(fmt.Errorf("repair trace %s: %w", path, err), discard(whole), discard(whole+TailExt))
	}
	return r.Windows(), discard(path + TailExt)
}

// discard removes a file that may not be there.
func discard(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

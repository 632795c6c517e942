// Package files reads and replaces files. What it opens is a regular file: reading a pipe or a
// device may never end. What it replaces has its old content or the new one even if the
// process is killed or the machine loses its power. A test checks that no other package
// opens, reads or renames files by itself.
package files

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ErrIrregular is what is wrong with a folder, a pipe or a device.
var ErrIrregular = errors.New("it is not a regular file")

// Open opens a regular file for reading.
func Open(path string) (*os.File, error) {
	// Opening a pipe waits for its writer unless O_NONBLOCK is set, which files ignore.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: ErrIrregular}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// The largest files that Read is asked for.
const (
	Text = 64 << 20 // settings, manifests, tables, notes of a run
	Bulk = 8 << 30  // state of a training
)

// Read reads a regular file of at most limit bytes.
func Read(path string, limit int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadAll(f, limit)
}

// ReadAll reads a file of at most limit bytes.
func ReadAll(f fs.File, limit int64) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if info.Size() <= limit {
		text.Grow(int(info.Size()) + bytes.MinRead)
		if _, err := text.ReadFrom(io.LimitReader(f, limit+1)); err != nil { // the file may grow meanwhile
			return nil, err
		}
	}
	if max(info.Size(), int64(text.Len())) > limit {
		return nil, &fs.PathError{Op: "read", Path: info.Name(), Err: fmt.Errorf("it is larger than %d bytes, more than it can need", limit)}
	}
	return text.Bytes(), nil
}

// Dir is a folder as a file system that has regular files only.
type Dir string

// Open implements fs.FS.
func (d Dir) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	return Open(filepath.Join(string(d), filepath.FromSlash(name)))
}

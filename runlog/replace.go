package runlog

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// ReplaceFile replaces a file atomically: even if the process is killed or the machine loses
// its power, path has either the earlier content or all of text.
func ReplaceFile(path string, text []byte) error { return replaceFile(disk{}, path, text) }

// files is what replacing a file needs of a file system.
type files interface {
	create(path string) (durable, error)
	rename(from, to string) error
	remove(path string) error
	syncFolder(path string) error
}

// durable is a file that can be made durable.
type durable interface {
	io.WriteCloser
	Sync() error
}

// replaceFile makes the new file durable before it gets its name, and the name before it
// returns. Without the first, a file system may keep the name and lose the content.
func replaceFile(fs files, path string, text []byte) error {
	temp := path + ".new"
	f, err := fs.create(temp)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = fs.rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, fs.remove(temp))
	}
	return fs.syncFolder(filepath.Dir(path))
}

// disk is the file system of the machine.
type disk struct{}

func (disk) create(path string) (durable, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
}
func (disk) rename(from, to string) error { return os.Rename(from, to) }
func (disk) remove(path string) error     { return os.Remove(path) }

func (disk) syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

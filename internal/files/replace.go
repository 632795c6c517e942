package files

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Replace replaces a file: whatever happens, path has either the earlier content or all of
// text.
func Replace(path string, text []byte) error { return replace(disk{}, path, text) }

// Rename gives a file, or a folder of files, the name to, after its content is durable, and
// makes the name durable. A file that has the name is replaced.
func Rename(from, to string) error { return rename(disk{}, from, to) }

// Exchange gives a folder the name dir as Rename does. A folder that has the name gets that
// of folder. Where that is impossible in one step, a crash may leave it under the name
// dir + ".old".
func Exchange(folder, dir string) error { return exchange(disk{}, folder, dir) }

// system is what durable replacement needs of a file system.
type system interface {
	create(path string) (io.WriteCloser, error)
	rename(from, to string) error
	swap(folder, dir string) error // exchanges two names
	remove(path string) error      // a file, or a folder and all in it
	exists(path string) bool
	list(path string) ([]string, error) // the path and, if it is a folder, all that is in it
	sync(path string) error
}

func replace(s system, path string, text []byte) error {
	temp := path + ".new"
	f, err := s.create(temp)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = rename(s, temp, path)
	}
	if err != nil {
		return errors.Join(err, s.remove(temp))
	}
	return nil
}

func rename(s system, from, to string) error {
	if err := settle(s, from); err != nil {
		return err
	}
	if err := s.rename(from, to); err != nil {
		return err
	}
	return s.sync(filepath.Dir(to))
}

func exchange(s system, folder, dir string) error {
	if !s.exists(dir) {
		return rename(s, folder, dir)
	}
	if err := settle(s, folder); err != nil {
		return err
	}
	err := s.swap(folder, dir)
	if errors.Is(err, errors.ErrUnsupported) {
		err = moveAside(s, folder, dir)
	}
	return errors.Join(err, s.sync(filepath.Dir(dir)))
}

// settle makes a file, or the files of a folder and their names, durable. If only their new
// name were, a loss of power could leave it without its content.
func settle(s system, path string) error {
	files, err := s.list(path)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := s.sync(f); err != nil {
			return err
		}
	}
	return nil
}

// moveAside is swap for systems that cannot: what has the name dir is renamed first.
func moveAside(s system, folder, dir string) error {
	old := dir + ".old"
	if err := s.remove(old); err != nil {
		return err
	}
	if err := s.rename(dir, old); err != nil {
		return err
	}
	if err := s.rename(folder, dir); err != nil {
		return errors.Join(err, s.rename(old, dir))
	}
	if err := s.sync(filepath.Dir(dir)); err != nil {
		return err
	}
	return s.remove(old)
}

// disk is the file system of the machine.
type disk struct{}

func (disk) create(path string) (io.WriteCloser, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
}
func (disk) rename(from, to string) error { return os.Rename(from, to) }
func (disk) remove(path string) error     { return os.RemoveAll(path) }
func (disk) exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func (disk) list(path string) (files []string, err error) {
	err = filepath.WalkDir(path, func(file string, _ fs.DirEntry, err error) error {
		files = append(files, file)
		return err
	})
	return files, err
}

func (disk) sync(path string) error {
	mode := os.O_RDONLY
	if runtime.GOOS == "windows" { // it syncs files that are open for writing, and names by itself
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			return err
		}
		mode = os.O_RDWR
	}
	f, err := os.OpenFile(path, mode, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

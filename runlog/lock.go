package runlog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// lockFile is the name of the lock in a folder, while a process writes to the folder.
const lockFile = ".lock"

// Lock keeps other processes from writing to a folder.
type Lock struct{ file *os.File }

// Acquire locks a folder. If another process has locked it, the error names that process.
// The lock ends with the process at the latest.
func Acquire(dir string) (*Lock, error) {
	path := filepath.Join(dir, lockFile)
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return nil, err
		}
		if err := tryLock(f); err != nil {
			holder, _ := io.ReadAll(io.LimitReader(f, 1<<10))
			_ = f.Close()
			if errors.Is(err, errLocked) {
				return nil, fmt.Errorf("another process writes to the folder: %s", strings.TrimSpace(string(holder)))
			}
			return nil, err
		}
		// The process before may have removed the file between open and lock.
		mine, err := f.Stat()
		there, gone := os.Stat(path)
		if err != nil || gone != nil || !os.SameFile(mine, there) {
			if err := errors.Join(err, f.Close()); err != nil {
				return nil, err
			}
			continue
		}
		_, err = fmt.Fprintf(f, "process %d, %s\n", os.Getpid(), strings.Join(os.Args, " "))
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return &Lock{f}, nil
	}
}

// Release ends the lock. A nil lock is none.
func (l *Lock) Release() error {
	if l == nil {
		return nil
	}
	return errors.Join(os.Remove(l.file.Name()), l.file.Close())
}

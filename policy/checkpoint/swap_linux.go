package checkpoint

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// swap gives a folder the name dir, and what had that name the folder's, in one step.
func swap(folder, dir string) error {
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return os.Rename(folder, dir)
	}
	err := unix.Renameat2(unix.AT_FDCWD, folder, unix.AT_FDCWD, dir, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return moveAside(folder, dir) // a file system that cannot
	}
	if err != nil {
		return &os.LinkError{Op: "exchange", Old: folder, New: dir, Err: err}
	}
	return nil
}

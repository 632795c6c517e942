package files

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func (disk) swap(folder, dir string) error {
	err := unix.Renameat2(unix.AT_FDCWD, folder, unix.AT_FDCWD, dir, unix.RENAME_EXCHANGE)
	switch {
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		return errors.ErrUnsupported // by the file system, or the kernel
	case err != nil:
		return &os.LinkError{Op: "exchange", Old: folder, New: dir, Err: err}
	}
	return nil
}

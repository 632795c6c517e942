//go:build unix

package runlog

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// errLocked says that another process holds a lock.
var errLocked = unix.EWOULDBLOCK

// tryLock locks a file as long as it is open.
func tryLock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOSYS) {
		return nil // a file system that cannot
	}
	return err
}

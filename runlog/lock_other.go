//go:build !unix

package runlog

import (
	"errors"
	"os"
)

// errLocked says that another process holds a lock.
var errLocked = errors.New("locked")

// tryLock does nothing where there is no flock.
func tryLock(*os.File) error { return nil }

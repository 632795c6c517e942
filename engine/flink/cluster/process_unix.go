//go:build unix

package cluster

import (
	"fmt"
	"os"
	"syscall"
)

// Apart keeps a child out of this process's session, so that neither an interrupt at the
// terminal nor the end of the session reaches it.
func Apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// lock waits until no other command is starting or ending the cluster.
func lock(file string) (unlock func(), err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", file, err)
	}
	return func() { _ = f.Close() }, nil
}

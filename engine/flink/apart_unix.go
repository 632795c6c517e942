//go:build unix

package flink

import "syscall"

// apart keeps a child out of this process's session, so that neither an interrupt at the
// terminal nor the end of the session reaches it.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

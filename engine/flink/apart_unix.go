//go:build unix

package flink

import "syscall"

// apart keeps a child out of this process's session: an interrupt at the terminal, and
// its end, are not for it.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

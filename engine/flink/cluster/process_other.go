//go:build !unix

package cluster

import "syscall"

func apart() *syscall.SysProcAttr { return nil }

// lock does nothing here: two commands at once may both start a cluster.
func lock(string) (unlock func(), err error) { return func() {}, nil }

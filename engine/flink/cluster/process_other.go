//go:build !unix

package cluster

import "syscall"

// Apart returns nil: here a child cannot be kept apart.
func Apart() *syscall.SysProcAttr { return nil }

// lock does nothing here: two commands at once may both start a cluster.
func lock(string) (unlock func(), err error) { return func() {}, nil }

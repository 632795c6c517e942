//go:build !unix

package flink

import "syscall"

func apart() *syscall.SysProcAttr { return nil }

//go:build unix

package serve

import (
	"io/fs"
	"os"
	"syscall"
)

// owners returns who owns a file, and who runs this process.
func owners(info fs.FileInfo) (owner, self int) {
	self = os.Geteuid()
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid), self
	}
	return self, self
}

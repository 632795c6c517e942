//go:build !linux

package checkpoint

import (
	"errors"
	"io/fs"
	"os"
)

// swap gives a folder the name dir, in place of what had it.
func swap(folder, dir string) error {
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return os.Rename(folder, dir)
	}
	return moveAside(folder, dir)
}

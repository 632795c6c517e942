package file

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/saspart/saspart/internal/files"
	"github.com/saspart/saspart/testdata"
)

// Locate returns where to read a file from: its path, or, for the data of a ready experiment
// that is not there, a copy in the user's cache, which Locate makes. Ready experiments then run
// outside a checkout as well.
func Locate(name string) (string, error) {
	if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		return name, nil // or an error that opening it tells
	}
	dir, base := path.Split(filepath.ToSlash(filepath.Clean(name)))
	if dir != "testdata/" {
		return name, nil
	}
	data, err := testdata.Files.ReadFile(base)
	if err != nil {
		return name, nil // there is no such data
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("source: %s is not here, and there is no folder for a copy of the built-in data: %w", name, err)
	}
	at := filepath.Join(cache, "saspart", base)
	if have, err := files.Read(at, int64(len(data))); err == nil && bytes.Equal(have, data) {
		return at, nil
	}
	if err = os.MkdirAll(filepath.Dir(at), 0o777); err == nil {
		err = files.Replace(at, data)
	}
	if err != nil {
		return "", fmt.Errorf("source: %s is not here, and the built-in data cannot be copied to %s: %w", name, at, err)
	}
	return at, nil
}

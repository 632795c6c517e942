package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// What is no regular file is refused at once, by each way of reading.
func TestOnlyRegularFiles(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Skip(err)
	}
	for _, name := range []string{"pipe", "../" + filepath.Base(dir), "/dev/zero"} {
		path := name
		if !filepath.IsAbs(name) {
			path = filepath.Join(dir, name)
		}
		if _, err := Open(path); !errors.Is(err, ErrIrregular) {
			t.Errorf("open %s: %v", name, err)
		}
		if _, err := Read(path, Text); !errors.Is(err, ErrIrregular) {
			t.Errorf("read %s: %v", name, err)
		}
	}
	if _, err := Dir(dir).Open("pipe"); !errors.Is(err, ErrIrregular) {
		t.Errorf("open pipe in a folder: %v", err)
	}
	if _, err := Dir(dir).Open("../x"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("open a file outside of a folder: %v", err)
	}
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, c := range []struct {
		size, limit int
		ok          bool
	}{{0, 0, true}, {0, 10, true}, {10, 10, true}, {11, 10, false}, {1 << 20, 1 << 20, true}} {
		if err := os.WriteFile(path, make([]byte, c.size), 0o600); err != nil {
			t.Fatal(err)
		}
		text, err := Read(path, int64(c.limit))
		if (err == nil) != c.ok || c.ok && len(text) != c.size {
			t.Errorf("%d bytes of at most %d: %d, %v", c.size, c.limit, len(text), err)
		}
	}
	// A file that says no size is read to its end, but not beyond the limit.
	if _, err := os.Stat("/proc/self/status"); err == nil {
		if text, err := Read("/proc/self/status", Text); err != nil || len(text) == 0 {
			t.Errorf("%d bytes of /proc/self/status, %v", len(text), err)
		}
		if _, err := Read("/proc/self/status", 10); err == nil {
			t.Error("a file without a size is read beyond the limit")
		}
	}
}

// No other package opens, reads or renames files by itself.
func TestNoOtherPackageDoes(t *testing.T) {
	does := regexp.MustCompile(`\bos\.(Open|ReadFile|Rename|DirFS)\(|\bLoadX509KeyPair\(`)
	read := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2 || d.Name() == "files" || d.Name() == "runs"):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		read++
		if found := does.Find(text); found != nil {
			t.Errorf("%s: %s", path, found)
		}
		return err
	})
	if err != nil || read < 100 {
		t.Errorf("%d files, %v", read, err)
	}
}

package dataset

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/saspart/saspart/policy"
)

// python finds an interpreter with the packages that FORMAT.md uses: $SASPART_PYTHON, or
// .venv, which `make setup` creates.
func python(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("imports pandas, polars and duckdb: slow")
	}
	for _, p := range []string{os.Getenv("SASPART_PYTHON"), filepath.Join("..", ".venv", "bin", "python")} {
		if p == "" {
			continue
		}
		path, err := filepath.Abs(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := exec.Command(path, "-c", "import pandas, polars, duckdb, pyarrow").Run(); err == nil {
			return path
		} else if p == os.Getenv("SASPART_PYTHON") {
			t.Fatalf("SASPART_PYTHON=%s cannot import pandas, polars, duckdb and pyarrow: %v", p, err)
		}
	}
	t.Skip("NOT CHECKED that pandas, polars and duckdb read a trace: no Python with them; run `make setup` or set SASPART_PYTHON")
	return ""
}

// TestOtherReaders runs the examples of FORMAT.md on a trace.
func TestOtherReaders(t *testing.T) {
	interpreter := python(t)
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```python\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	dir := t.TempDir()
	windows := smallWindows(groupWindows + 3)
	for i, w := range windows {
		w.Partitioner, w.Busy = "hash", []float64{0.25, 0.75}
		w.Hot[0].Name = "\xff\x00"
		if i%2 == 0 {
			w.Route = &policy.Route{Workers: 2, Slots: []uint16{0, 1},
				Keys: []policy.KeyRoute{{Hash: 1, Name: "k", Workers: []uint16{0, 1}, Shares: []float64{0.5, 0.5}}}}
		}
	}
	writeTrace(t, filepath.Join(dir, "trace.arrow"), smallMeta, windows, true)
	defer writeTrace(t, filepath.Join(dir, "killed.arrow"), smallMeta, windows, false).Close()
	want := []string{
		"67 0.75",
		`[(b'\xff\x00', 2211)]`, // 0 + 1 + ... + 66
		`[('hash', 67, 6633)]`,  // 3 times that
		"64 and 3",
	}
	if len(examples) != len(want) {
		t.Fatalf("FORMAT.md has %d examples, %d are known here", len(examples), len(want))
	}
	for i, e := range examples {
		cmd := exec.Command(interpreter, "-c", e[1])
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want[i] {
			t.Errorf("example %d prints %q (%v), want %q:\n%s", i, got, err, want[i], e[1])
		}
	}
	// Every claim of the schema holds, as far as Arrow can tell.
	check := exec.Command(interpreter, "-c", "import pyarrow.feather as f; f.read_table('trace.arrow').validate(full=True)")
	check.Dir = dir
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("pyarrow finds the trace invalid: %v\n%s", err, out)
	}
}

// TestFormatIsDocumented holds FORMAT.md to the columns and metadata there are.
func TestFormatIsDocumented(t *testing.T) {
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	names := schemaOf(columnsOf(Version), &smallMeta).Metadata().Keys()
	for _, c := range columnsOf(Version) {
		names = append(names, c.name)
	}
	for _, name := range names {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("FORMAT.md says nothing of %s", name)
		}
	}
}

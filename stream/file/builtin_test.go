package file

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/saspart/saspart/stream"
)

// The data of ready experiments are read outside a checkout, and files that are there come first.
func TestBuiltinData(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("HOME", cache)
	t.Chdir(t.TempDir())
	const name = "testdata/flights.csv.gz"
	at, err := Locate(name)
	if err != nil {
		t.Fatal(err)
	}
	if rel, err := filepath.Rel(cache, at); err != nil || !filepath.IsLocal(rel) {
		t.Fatalf("the copy is %s", at)
	}
	cfg := fileConfig(name)
	cfg.File.Key, cfg.File.Payload = "dest", []string{"arr_delay"}
	for _, why := range []string{"a copy", "a damaged copy, which is made anew"} {
		got, _ := flat(openOne(t, cfg, stream.TaskTDigest), 10, 10)
		if len(got) != 10 {
			t.Errorf("%s: %d records", why, len(got))
		}
		if err := os.WriteFile(at, []byte("dest\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, other := range []string{"flights.csv.gz", "testdata/other.csv", "elsewhere/flights.csv.gz", "testdata/../flights.csv.gz"} {
		if at, err := Locate(other); at != other || err != nil {
			t.Errorf("%s is read from %s, %v", other, at, err)
		}
	}
	if err := os.MkdirAll("testdata", 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("k\na\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if at, err := Locate("./" + name); at != "./"+name || err != nil {
		t.Errorf("a file that is there is read from %s, %v", at, err)
	}
}

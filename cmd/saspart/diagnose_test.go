package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// clicks writes a CSV file in which one of 200 users has a third of the rows.
func clicks(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("time,user\n")
	for i := range 6000 {
		user := fmt.Sprint("user-", i*i%199)
		if i%3 == 0 {
			user = "robot"
		}
		fmt.Fprintf(&b, "%d,%s\n", i, user)
	}
	path := filepath.Join(t.TempDir(), "clicks.csv")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDiagnose(t *testing.T) {
	path := clicks(t)
	code, out, narration := saspart(t, nil, "diagnose", path, "--key", "user", "--workers", "12", "--partitioner", "hash,combine,waterfill")
	if code != codeOK {
		t.Fatalf("exit code %d\n%s", code, narration)
	}
	golden(t, "diagnose.txt", strings.ReplaceAll(out, path, "clicks.csv"))

	code, out, narration = saspart(t, nil, "diagnose", path, "--key", "user", "--records", "3000", "--partitioner", "hash", "-o", "json")
	var d diagnosis
	if err := json.Unmarshal([]byte(out), &d); code != codeOK || err != nil {
		t.Fatalf("exit code %d, %v\n%s", code, err, narration)
	}
	if d.Version != 1 || d.Whole || d.Records != 3000 || d.Heavy[0].Name != "robot" || d.Heavy[0].Part != 1.0/3 || d.Heavier != 1 || len(d.Trials) != 1 || d.Trials[0].Held > 0.4 {
		t.Errorf("%+v", d)
	}
}

func TestDiagnoseRefuses(t *testing.T) {
	path := clicks(t)
	for _, c := range []struct {
		why  string
		args []string
		want string
	}{
		{"no key", []string{path}, "--key is missing"},
		{"another column", []string{path, "--key", "usr"}, `did you mean "user"?`},
		{"no file", []string{path + "x", "--key", "user"}, "no such file"},
		{"a folder", []string{filepath.Dir(path), "--key", "user"}, "not a regular file"},
		{"no workers", []string{path, "--key", "user", "--workers", "0"}, "job.workers"},
		{"an unknown partitioner", []string{path, "--key", "user", "--partitioner", "hsah"}, `--partitioner hsah: partitioner.name: is "hsah"`},
		{"fewer than no records", []string{path, "--key", "user", "--records", "-1"}, "must not be negative"},
		{"two files", []string{path, path, "--key", "user"}, "accepts 1 arg"},
	} {
		code, _, narration := saspart(t, nil, append([]string{"diagnose"}, c.args...)...)
		if code == codeOK || !strings.Contains(narration, c.want) {
			t.Errorf("%s: exit code %d\n%s", c.why, code, narration)
		}
	}
}

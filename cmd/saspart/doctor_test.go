package main

import (
	"os"
	"path/filepath"
	"testing"
)

// The version of a program is the first line that it prints, without colours.
func TestDoctorVersion(t *testing.T) {
	dir := t.TempDir()
	for name, script := range map[string]string{
		"plain": "echo 'plain 1.2'; echo more", "coloured": `printf '\033[0m\033[1;31mcoloured 3\033[0m\n'`, "failing": "echo no; exit 1",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	d := doctor{ctx: t.Context()}
	for _, c := range []struct{ why, program, want string }{
		{"the first line, and where the program is", "plain", "plain 1.2 (" + filepath.Join(dir, "plain") + ")"},
		{"escape sequences are left out", "coloured", "coloured 3 (" + filepath.Join(dir, "coloured") + ")"},
		{"a program that fails counts as missing", "failing", ""},
		{"a program that is missing", "absent", ""},
	} {
		if got := d.version(c.program); got != c.want {
			t.Errorf("%s: %q, want %q", c.why, got, c.want)
		}
	}
}

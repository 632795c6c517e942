package loop

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what the commands of testdata/*.txt print into the files, instead of comparing")

// Scripts are files in testdata: commands, each with what it prints.
//
//	# A comment, up to the command that it explains.
//	command argument argument
//	----
//	what the command prints
//
// Blocks are separated by empty lines. A test runs every script; with -update it writes
// the output into the file, to be reviewed as a diff.

// script is the state that the commands of one file share. Each part of the loop keeps its
// own, made on first use.
type script struct {
	out   strings.Builder
	parts map[string]any
}

// command runs one line of a script: it prints to s.out.
type command func(s *script, args []string) error

// commands are all commands by name; each file of tests adds its own.
var commands = map[string]command{}

// part is the state that a script keeps under a name, made by fresh on first use.
func part[T any](s *script, name string, fresh func() T) T {
	if s.parts[name] == nil {
		s.parts[name] = fresh()
	}
	return s.parts[name].(T)
}

func (s *script) printf(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

// numbers reads arguments that are whole numbers.
func numbers(args []string, n int) ([]int, error) {
	if len(args) != n {
		return nil, fmt.Errorf("%d arguments, want %d", len(args), n)
	}
	out := make([]int, n)
	for i, a := range args {
		v, err := strconv.Atoi(a)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// run runs the script in text and returns the text with the output of its commands.
func run(text string) (string, error) {
	s := &script{parts: map[string]any{}}
	var blocks []string
	for n, block := range strings.Split(strings.TrimSpace(text), "\n\n") {
		var head []string
		line := ""
		for _, l := range strings.Split(block, "\n") {
			if l == "----" {
				break
			}
			head = append(head, l)
			if !strings.HasPrefix(l, "#") {
				line = l
			}
		}
		if words := strings.Fields(line); len(words) > 0 {
			do := commands[words[0]]
			if do == nil {
				return "", fmt.Errorf("block %d: unknown command %q", n+1, words[0])
			}
			s.out.Reset()
			if err := do(s, words[1:]); err != nil {
				return "", fmt.Errorf("block %d: %s: %w", n+1, line, err)
			}
			if s.out.Len() == 0 {
				s.printf("ok")
			}
			head = append(head, "----", strings.TrimRight(s.out.String(), "\n"))
		}
		blocks = append(blocks, strings.Join(head, "\n"))
	}
	return strings.Join(blocks, "\n\n") + "\n", nil
}

func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d scripts, error %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := run(string(want))
			if err != nil {
				t.Fatal(err)
			}
			if got == string(want) {
				return
			}
			if !*update {
				t.Fatalf("the output differs (go test ./loop -run TestScripts -update, then see the diff):\n%s", diffLines(string(want), got))
			}
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// diffLines shows the first line in which two texts differ.
func diffLines(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d: %q, want %q", i+1, b[i], a[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(b), len(a))
}

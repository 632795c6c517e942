package flink

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/stream"
)

// results is where a job writes what it computes.
type results struct{ dir string }

// resultsEvery is how often the job completes what it has written.
const resultsEvery = 2 * time.Second

func newResults() (*results, error) {
	dir, err := os.MkdirTemp("", "saspart-flink-results-")
	return &results{dir}, err
}

// remove removes the folder, if there is one.
func (r *results) remove() error {
	if r == nil {
		return nil
	}
	return os.RemoveAll(r.dir)
}

// result is a line of the job's results.
type result struct {
	end  int64 // of the aggregation window, ms since the epoch
	key  string
	text rendered
}

// hand reports the results of a job that has finished, in order: windows, then keys.
// zero is when the job began, since the epoch.
func (r *results) hand(to engine.ResultFunc, c *engine.Config, zero time.Duration) error {
	var all []result
	err := filepath.WalkDir(r.dir, func(path string, d fs.DirEntry, err error) error {
		// What begins with a dot was not completed, and was written again elsewhere.
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		all, err = appendResults(all, path)
		return err
	})
	if err != nil {
		return fmt.Errorf("read the results of the job: %w", err)
	}
	slices.SortFunc(all, func(a, b result) int {
		return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.key, b.key))
	})
	for _, x := range all {
		slide := (time.Duration(x.end)*time.Millisecond-zero)/c.Slide - 1
		to(int64(slide), x.key, x.text)
	}
	return nil
}

// appendResults reads a file of results: a line each, with the end of the window in ms
// since the epoch, the key and the result, with tabs between them.
func appendResults(to []result, file string) ([]result, error) {
	f, err := os.Open(file)
	if err != nil {
		return to, err
	}
	defer f.Close()
	lines := bufio.NewReader(f)
	for n := 1; ; n++ {
		line, err := lines.ReadString('\n')
		if err == io.EOF && line == "" {
			return to, nil
		}
		if err != nil {
			return to, fmt.Errorf("%s: line %d: %w", file, n, err)
		}
		x, err := readResult(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return to, fmt.Errorf("%s: line %d: %w", file, n, err)
		}
		to = append(to, x)
	}
}

func readResult(line string) (x result, err error) {
	end, rest, ok := strings.Cut(line, "\t")
	name, text, more := strings.Cut(rest, "\t")
	if !ok || !more {
		return x, errors.New("is no result")
	}
	if x.end, err = strconv.ParseInt(end, 10, 64); err != nil {
		return x, err
	}
	x.key, err = unescaped(name)
	x.text = rendered(text)
	return x, err
}

// unescaped is a key from its form in a line, where bytes that do not print are written
// as \xHH.
func unescaped(text string) (string, error) {
	var key strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			key.WriteByte(text[i])
			continue
		}
		if i+3 >= len(text) || text[i+1] != 'x' {
			return "", fmt.Errorf("key %q is not escaped as it should be", text)
		}
		b, err := strconv.ParseUint(text[i+2:i+4], 16, 8)
		if err != nil {
			return "", fmt.Errorf("key %q is not escaped as it should be", text)
		}
		key.WriteByte(byte(b))
		i += 3
	}
	return key.String(), nil
}

// rendered is a state of which there is only the text.
type rendered string

// AppendText implements stream.State.
func (r rendered) AppendText(dst []byte) []byte { return append(dst, r...) }

// Count implements stream.State; how many records are in the text is not known.
func (r rendered) Count() int64 { return 0 }

// Size implements stream.State.
func (r rendered) Size() int { return 1 }

// Add implements stream.State, but nothing can be added to a text.
func (r rendered) Add(*stream.Record) { panic("flink: a result is final") }

// Merge implements stream.State, but nothing can be merged into a text.
func (r rendered) Merge(stream.State) { panic("flink: a result is final") }

// Reset implements stream.State, but a text stays.
func (r rendered) Reset() { panic("flink: a result is final") }

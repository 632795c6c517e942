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
	"github.com/saspart/saspart/internal/files"
)

// results is the folder to which a job writes its results.
type results struct{ dir string }

// resultsEvery is the interval at which the job completes the files of its results.
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

// hand reports the results of a job that has finished, ordered by window, then by key. zero
// is when the job started, since the epoch.
func (r *results) hand(to engine.ResultFunc, c *engine.Config, zero time.Duration) error {
	var all []result
	err := filepath.WalkDir(r.dir, func(path string, d fs.DirEntry, err error) error {
		// Names that begin with a dot are of incomplete files, whose lines were written again
		// elsewhere.
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

// appendResults reads a file of results. A line has the end of the window in ms since the
// epoch, the key and the result, separated by tabs.
func appendResults(to []result, file string) ([]result, error) {
	f, err := files.Open(file)
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
		return x, errors.New("is not a result")
	}
	if x.end, err = strconv.ParseInt(end, 10, 64); err != nil {
		return x, err
	}
	x.key, err = unescaped(name)
	x.text = rendered(text)
	return x, err
}

// unescaped returns a key from its form in a line, in which \xHH stands for a byte that does
// not print.
func unescaped(text string) (string, error) {
	var key strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			key.WriteByte(text[i])
			continue
		}
		if i+3 >= len(text) || text[i+1] != 'x' {
			return "", fmt.Errorf("key %q is not escaped correctly", text)
		}
		b, err := strconv.ParseUint(text[i+2:i+4], 16, 8)
		if err != nil {
			return "", fmt.Errorf("key %q is not escaped correctly", text)
		}
		key.WriteByte(byte(b))
		i += 3
	}
	return key.String(), nil
}

// rendered is the text of a result.
type rendered string

// AppendText implements stream.Result.
func (r rendered) AppendText(dst []byte) []byte { return append(dst, r...) }

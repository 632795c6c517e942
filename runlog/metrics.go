package runlog

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/saspart/saspart/internal/files"
)

// The first columns of metrics.csv.
const (
	colStep    = "step"
	colSeconds = "seconds"
)

// Metrics are the rows of a metrics.csv.
type Metrics struct {
	Tags    []string    // columns
	Steps   []int64     // [rows] ascending
	Seconds []float64   // [rows] that the run had been going on
	Values  [][]float64 // [tags][rows], NaN where a row has none

	end int64 // of the last complete row, in bytes
}

// Rows is the number of rows.
func (m *Metrics) Rows() int { return len(m.Steps) }

// Series are the rows that have a value of the tag: their steps and the values.
// A tag without a column gives none.
func (m *Metrics) Series(tag string) (steps []int64, values []float64) {
	i := slices.Index(m.Tags, tag)
	if i < 0 {
		return nil, nil
	}
	for row, v := range m.Values[i] {
		if !math.IsNaN(v) {
			steps, values = append(steps, m.Steps[row]), append(values, v)
		}
	}
	return steps, values
}

// ReadMetrics reads a metrics.csv. A last line without its end was being written when
// its run was killed and is left out. Anything else that is not a row of numbers
// under its header is an error with file and line.
func ReadMetrics(path string) (*Metrics, error) {
	text, err := files.Read(path, files.Text)
	if err != nil {
		return nil, fmt.Errorf("read metrics %s: %w", path, unpath(err))
	}
	m, err := parseMetrics(text, math.MaxInt64)
	if err != nil {
		return nil, fmt.Errorf("read metrics %s: %w", path, err)
	}
	return m, nil
}

// parseMetrics reads rows up to the given step.
func parseMetrics(text []byte, last int64) (*Metrics, error) {
	m := &Metrics{}
	for line := 1; ; line++ {
		end := bytes.IndexByte(text[m.end:], '\n')
		if end < 0 {
			break
		}
		fields := strings.Split(string(text[m.end:m.end+int64(end)]), ",")
		var err error
		if line == 1 {
			err = m.header(fields)
		} else {
			var step int64
			if step, err = strconv.ParseInt(fields[0], 10, 64); err != nil {
				err = fmt.Errorf("step %q is not a whole number", fields[0])
			} else if step > last {
				return m, nil
			} else {
				err = m.row(step, fields)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		m.end += int64(end) + 1
	}
	if m.Tags == nil {
		return nil, errors.New("line 1: it has no header; remove the file, or the run")
	}
	return m, nil
}

func (m *Metrics) header(fields []string) error {
	if len(fields) < 2 || fields[0] != colStep || fields[1] != colSeconds {
		return fmt.Errorf("the header must begin with %s,%s", colStep, colSeconds)
	}
	m.Tags = fields[2:]
	m.Values = make([][]float64, len(m.Tags))
	return checkTags(m.Tags)
}

func (m *Metrics) row(step int64, fields []string) error {
	if len(fields) != 2+len(m.Tags) {
		return fmt.Errorf("%d values under %d names", len(fields), 2+len(m.Tags))
	}
	if n := len(m.Steps); n > 0 && step < m.Steps[n-1] {
		return fmt.Errorf("step %d follows step %d", step, m.Steps[n-1])
	}
	values := make([]float64, len(fields)-1)
	for i, f := range fields[1:] {
		v := math.NaN()
		if f != "" || i == 0 {
			var err error
			if v, err = strconv.ParseFloat(f, 64); err != nil && !errors.Is(err, strconv.ErrRange) {
				return fmt.Errorf("%q is not a number", f)
			}
		}
		values[i] = v
	}
	m.Steps, m.Seconds = append(m.Steps, step), append(m.Seconds, values[0])
	for i, v := range values[1:] {
		m.Values[i] = append(m.Values[i], v)
	}
	return nil
}

func checkTags(tags []string) error {
	for i, t := range tags {
		if !validTag(t) {
			return fmt.Errorf("tag %q; tags are letters, digits, dots, dashes, underscores and slashes", t)
		}
		if slices.Contains(tags[:i], t) {
			return fmt.Errorf("tag %s is there twice", t)
		}
	}
	return nil
}

// table appends rows to a metrics.csv, each in one write, so that the file has complete
// lines even if the process is killed.
type table struct {
	file *os.File
	tags []string
	size int64 // of the complete lines
	last int64 // step of the last row
	line []byte
}

// createTable starts a table with its header.
func createTable(path string, tags []string) (*table, error) {
	if err := checkTags(tags); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s is there, and no run that it belongs to: move it away, or choose another name", path)
	}
	if err != nil {
		return nil, err
	}
	t := &table{file: f, tags: slices.Clone(tags), last: math.MinInt64}
	head := strings.Join(append([]string{colStep, colSeconds}, tags...), ",") + "\n"
	if err := t.write([]byte(head)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return t, nil
}

// resumeTable truncates a table after the rows up to step and continues there. It returns
// the duration of the run so far. A table that is missing, or ends within its header, is
// started again.
func resumeTable(path string, tags []string, step int64) (t *table, seconds float64, err error) {
	text, err := files.Read(path, files.Text)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !bytes.Contains(text, []byte("\n")) {
		if err == nil {
			if err := os.Remove(path); err != nil {
				return nil, 0, err
			}
		}
		t, err := createTable(path, tags)
		return t, 0, err
	}
	if err != nil {
		return nil, 0, err
	}
	m, err := parseMetrics(text, step)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	if !slices.Equal(m.Tags, tags) {
		return nil, 0, fmt.Errorf("%s has the columns %v, the run to resume would write %v: resume with the program and the settings that it was begun with",
			path, m.Tags, tags)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil, 0, err
	}
	t = &table{file: f, tags: m.Tags, size: m.end, last: math.MinInt64}
	if n := m.Rows(); n > 0 {
		t.last, seconds = m.Steps[n-1], m.Seconds[n-1]
	}
	if err := f.Truncate(m.end); err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return t, seconds, nil
}

// check returns an error for a row that does not fit the table.
func (t *table) check(step int64, values map[string]float64) error {
	if step < t.last {
		return fmt.Errorf("step %d follows step %d", step, t.last)
	}
	known := 0
	for _, tag := range t.tags {
		if _, ok := values[tag]; ok {
			known++
		}
	}
	if known == len(values) {
		return nil
	}
	for tag := range values {
		if !slices.Contains(t.tags, tag) {
			return fmt.Errorf("%s is none of the run's tags %v", tag, t.tags)
		}
	}
	return nil
}

// add appends a row.
func (t *table) add(step int64, seconds float64, values map[string]float64) error {
	t.line = strconv.AppendInt(t.line[:0], step, 10)
	t.line = append(t.line, ',')
	t.line = strconv.AppendFloat(t.line, seconds, 'f', 3, 64)
	for _, tag := range t.tags {
		t.line = append(t.line, ',')
		if v, ok := values[tag]; ok {
			t.line = strconv.AppendFloat(t.line, v, 'g', -1, 64)
		}
	}
	if err := t.write(append(t.line, '\n')); err != nil {
		return err
	}
	t.last = step
	return nil
}

// write appends a line, or nothing of it.
func (t *table) write(line []byte) error {
	if _, err := t.file.WriteAt(line, t.size); err != nil {
		return errors.Join(err, t.file.Truncate(t.size))
	}
	t.size += int64(len(line))
	return nil
}

// unpath drops the path from an error, because the caller's message has it.
func unpath(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

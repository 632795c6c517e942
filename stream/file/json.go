package file

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// mostLine is the longest line of JSON that is read, in bytes.
const mostLine = 16 << 20

// jsonRows reads JSON Lines: an object per line. A column is the name of a value, or, of a value
// in objects within the object, names joined by dots.
type jsonRows struct {
	lines   *bufio.Scanner
	columns columns
	line    int64
	object  map[string]json.RawMessage
}

// newJSON starts to read. The columns are looked for in each row: objects may lack some.
func newJSON(r io.Reader, cols columns) (*jsonRows, error) {
	j := &jsonRows{lines: bufio.NewScanner(r), columns: cols}
	j.lines.Buffer(nil, mostLine)
	return j, nil
}

// next implements rows.
func (j *jsonRows) next(r *row, wanted bool) error {
	var text []byte
	for len(text) == 0 {
		if !j.lines.Scan() {
			return j.end()
		}
		j.line++
		text = bytes.TrimSpace(bytes.TrimPrefix(j.lines.Bytes(), []byte("\ufeff")))
	}
	if !wanted {
		return nil
	}
	j.object = nil
	if err := json.Unmarshal(text, &j.object); err != nil {
		return &badRow{fmt.Sprintf("line %d", j.line), "is not a JSON object: " + err.Error()}
	}
	var err error
	if r.key, err = j.text(j.columns.key); err != nil {
		return err
	}
	if j.columns.text != "" {
		if r.text, err = j.text(j.columns.text); err != nil {
			return err
		}
	}
	for i, name := range j.columns.numbers {
		text, err := j.text(name)
		if err != nil {
			return err
		}
		v, problem := number(text)
		if problem != "" {
			return &badRow{j.place(name), problem}
		}
		r.values[i] = v
	}
	return nil
}

// end says why there are no more lines.
func (j *jsonRows) end() error {
	switch err := j.lines.Err(); {
	case err == nil:
		return io.EOF
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Errorf("line %d is longer than %d MB; JSON Lines have an object per line: jq -c writes them so", j.line+1, mostLine>>20)
	default:
		return fmt.Errorf("after line %d: %w", j.line, unpackError(err))
	}
}

// text returns a value as text: a string as it is, a number or a boolean as it is written.
func (j *jsonRows) text(column string) (string, error) {
	value, err := j.find(column)
	switch {
	case err != nil:
		return "", err
	case len(value) == 0 || string(value) == "null":
		return "", &badRow{j.place(column), "there is no value (null)"}
	case value[0] == '{' || value[0] == '[':
		return "", &badRow{j.place(column), fmt.Sprintf("%s is no string, number or boolean", clip(string(value)))}
	case value[0] != '"':
		return string(value), nil
	}
	var s string
	if err := json.Unmarshal(value, &s); err != nil {
		return "", &badRow{j.place(column), err.Error()}
	}
	return s, nil
}

// find looks a value up. That none of the names is in the object is an error of the column, not of
// the row, if it is the first.
func (j *jsonRows) find(name string) (json.RawMessage, error) {
	object, rest := j.object, name
	for {
		if value, ok := object[rest]; ok {
			return value, nil
		}
		outer, inner, nested := strings.Cut(rest, ".")
		value, ok := object[outer]
		if !nested || !ok {
			break
		}
		object = nil
		if err := json.Unmarshal(value, &object); err != nil {
			break
		}
		rest = inner
	}
	if j.line == 1 {
		if _, err := column(slices.Sorted(maps.Keys(j.object)), name); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// place implements rows.
func (j *jsonRows) place(column string) string {
	return fmt.Sprintf("line %d, column %q", j.line, column)
}

// close implements rows.
func (j *jsonRows) close() {}

package file

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/saspart/saspart/stream"
)

// csvRows reads CSV (RFC 4180) with a header line that names the columns.
type csvRows struct {
	r       *csv.Reader
	columns columns
	key     int
	text    int // -1: no sentences
	numbers []int
	words   bool     // the key is split: without words there is no record
	first   []string // a row that was read as the header and is none; nil: there is none, or it was given
}

// newCSV reads the header line.
func newCSV(r io.Reader, cfg stream.FileConfig, cols columns) (*csvRows, error) {
	c := &csvRows{r: csv.NewReader(r), columns: cols, text: -1, words: cfg.Split == stream.SplitWords}
	c.r.ReuseRecord = true
	c.r.Comma, c.r.Comment = cfg.Comma(), cfg.CommentMark()
	header, err := c.r.Read()
	if err == io.EOF {
		return nil, errors.New("is empty; at least a header line and a row are needed")
	}
	if err != nil {
		return nil, c.broken(fmt.Errorf("header: %w", err))
	}
	header[0] = strings.TrimPrefix(header[0], "\ufeff") // spreadsheets write a byte order mark
	if !cfg.Header {
		c.first = slices.Clone(header)
		for i := range header {
			header[i] = strconv.Itoa(i + 1)
		}
	}
	if c.key, err = column(header, cols.key); err != nil {
		return nil, joined(err, header, cfg.Comma())
	}
	if cols.text != "" {
		if c.text, err = column(header, cols.text); err != nil {
			return nil, err
		}
	}
	for _, name := range cols.numbers {
		i, err := column(header, name)
		if err != nil {
			return nil, err
		}
		c.numbers = append(c.numbers, i)
	}
	return c, nil
}

// next implements rows.
func (c *csvRows) next(r *row, wanted bool) error {
	fields, err := c.first, error(nil)
	if c.first = nil; fields == nil {
		fields, err = c.r.Read()
	}
	if err != nil {
		return c.failed(err, len(fields))
	}
	if !wanted {
		return nil
	}
	if r.key = fields[c.key]; r.key == "" && !c.words {
		return &badRow{c.place(c.columns.key), "is empty, as a missing value is written"}
	}
	if c.text >= 0 {
		r.text = fields[c.text]
	}
	for i, n := range c.numbers {
		v, problem := number(fields[n])
		if problem != "" {
			return &badRow{c.place(c.columns.numbers[i]), problem}
		}
		r.values[i] = v
	}
	return nil
}

// failed classifies an error of the CSV reader, which had read so many fields.
func (c *csvRows) failed(err error, fields int) error {
	var bad *csv.ParseError
	switch {
	case err == io.EOF:
		return err
	case !errors.As(err, &bad):
		return c.broken(err)
	case errors.Is(bad.Err, csv.ErrFieldCount):
		return &badRow{fmt.Sprintf("line %d", bad.StartLine), fmt.Sprintf("%d fields where the header has %d", fields, c.r.FieldsPerRecord)}
	}
	return &badRow{fmt.Sprintf("line %d", bad.StartLine), bad.Err.Error()}
}

// place implements rows.
func (c *csvRows) place(column string) string {
	line, _ := c.r.FieldPos(c.key)
	return fmt.Sprintf("line %d, column %q", line, column)
}

// joined adds what the header looks like if its columns seem to be separated by another
// delimiter.
func joined(err error, header []string, comma rune) error {
	if len(header) > 1 {
		return err
	}
	for _, other := range []string{",", ";", "\t", "|"} {
		if strings.Contains(header[0], other) && other != string(comma) {
			return fmt.Errorf("%w; the header is a single column with %q in it: set source.file.delimiter to that", err, other)
		}
	}
	return err
}

// broken adds the position to an error of the data below the CSV.
func (c *csvRows) broken(err error) error {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return err
	}
	return fmt.Errorf("byte %d of the text: %w", c.r.InputOffset(), unpackError(err))
}

// close implements rows.
func (c *csvRows) close() {}

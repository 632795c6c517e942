// Package file has the sources that read records from files: CSV, JSON Lines, Arrow IPC and Parquet.
package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/saspart/saspart/internal/files"
	"github.com/saspart/saspart/stream"
)

// rows reads a file row by row.
type rows interface {
	// next reads the next row and decodes it into r if wanted. It returns io.EOF after the last
	// row and a *badRow for a row that can be skipped; any other error ends the reading.
	next(r *row, wanted bool) error
	// place describes where a column is in the row that next has just decoded.
	place(column string) string
	// close frees what the reader holds, but not the file.
	close()
}

// row holds what a source reads of a row. The strings stay valid.
type row struct {
	key    string
	text   string    // if the task reads sentences
	values []float64 // if the task reads numbers: one per column, the caller's memory
}

// badRow is the error for a row that cannot be used, unlike the rows after it.
type badRow struct{ place, problem string }

// Error implements the error interface.
func (b *badRow) Error() string { return b.place + ": " + b.problem }

// columns names the columns to decode.
type columns struct {
	key      string
	text     string   // empty: no sentences
	numbers  []string // empty: no numbers
	wordText bool     // the sentence is the word that is the key
}

// fileSource makes the records of one subtask from the rows of a file.
type fileSource struct {
	cfg      stream.FileConfig
	columns  columns
	subtask  int64
	subtasks int64
	file     *os.File
	format   *format
	rows     rows

	err  error // set once there are no more records
	read int64 // rows read in this pass through the file
	gave bool  // this pass yielded a record

	row     row
	split   stream.Words // what is left of the row, split: words
	names   interner
	numbers []float64 // memory from which the records' values are taken
	skipped int64
	bad     error // the first of the skipped rows
}

// Open opens the file once per subtask, for a task that reads this payload. Subtask s of S
// reads the rows s, s+S, .... It is meant for stream.SourceEnv; cfg must be valid for the
// payload.
func Open(cfg stream.FileConfig, payload stream.Payload, subtasks int) ([]stream.Source, error) {
	cols := columnsFor(&cfg, payload)
	var sources []stream.Source
	for s := range subtasks {
		f, err := openFile(cfg, cols, s, subtasks)
		if err != nil {
			return nil, errors.Join(err, stream.CloseSources(sources))
		}
		sources = append(sources, f)
	}
	return sources, nil
}

// columnsFor names the columns to decode for a task that reads this payload.
func columnsFor(c *stream.FileConfig, kind stream.Payload) columns {
	cols := columns{key: c.Key}
	switch {
	case kind == stream.TextPayload && len(c.Payload) == 0:
		cols.wordText = true
	case kind == stream.TextPayload:
		cols.text = c.Payload[0]
	case kind == stream.ValuesPayload:
		cols.numbers = c.Payload
	}
	return cols
}

func openFile(cfg stream.FileConfig, cols columns, subtask, subtasks int) (*fileSource, error) {
	at, err := Locate(cfg.Path)
	if err != nil {
		return nil, err
	}
	file, err := files.Open(at)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("source: %s: no such file; a relative path starts at the working directory", cfg.Path)
		}
		if errors.Is(err, files.ErrIrregular) {
			return nil, fmt.Errorf("source: %s: is not a regular file, and reading it again or in shares takes one; save the data to a file", cfg.Path)
		}
		return nil, fmt.Errorf("source: %w", err)
	}
	f := &fileSource{
		cfg: cfg, columns: cols, subtask: int64(subtask), subtasks: int64(subtasks),
		file: file, names: newInterner(),
	}
	if f.format, err = detect(file); err == nil {
		err = f.rewind()
	}
	if err != nil {
		return nil, errors.Join(f.at(err), file.Close())
	}
	return f, nil
}

// rewind starts a pass through the file.
func (f *fileSource) rewind() error {
	if f.rows != nil {
		f.rows.close()
		f.rows = nil
	}
	r, err := f.format.open(f.cfg, f.columns)
	if err != nil {
		return err
	}
	f.rows, f.read, f.gave = r, 0, false
	return nil
}

// Fill implements Source.
func (f *fileSource) Fill(b *stream.Batch) (int, error) {
	for i := range b.Records {
		if f.err == nil {
			f.err = f.record(&b.Records[i])
		}
		if f.err != nil {
			return i, f.err
		}
		b.Hashes[i] = b.Records[i].Hash
	}
	return len(b.Records), nil
}

// record sets the next record.
func (f *fileSource) record(r *stream.Record) error {
	for {
		if f.cfg.Split == stream.SplitWords {
			if k, ok := f.word(); ok {
				f.set(r, k)
				if f.columns.wordText {
					r.Text = k.name
				}
				return nil
			}
		}
		if err := f.nextRow(); err != nil {
			return err
		}
		if f.cfg.Split == stream.SplitWords {
			f.split.Start(f.row.key)
			continue
		}
		f.set(r, f.names.of(f.row.key))
		return nil
	}
}

// word returns the next word of the row as a key.
func (f *fileSource) word() (key, bool) {
	word, ok := f.split.Next()
	if !ok {
		return key{}, false
	}
	return f.names.of(word), true
}

func (f *fileSource) set(r *stream.Record, k key) {
	r.Key, r.Hash = k.name, k.hash
	r.Text, r.Values = f.row.text, f.row.values
	f.gave = true
}

// nextRow reads this subtask's next good row. A looped file starts again at its end.
func (f *fileSource) nextRow() error {
	for {
		mine := f.read%f.subtasks == f.subtask
		if mine {
			f.row.values = f.list(len(f.columns.numbers))
		}
		err := f.rows.next(&f.row, mine)
		if err == io.EOF {
			if err := f.endOfFile(); err != nil {
				return err
			}
			continue
		}
		f.read++
		if err == nil && mine {
			err = f.canonical()
		}
		if err != nil {
			if err := f.leaveOut(err, mine); err != nil {
				return err
			}
		} else if mine {
			return nil
		}
	}
}

// leaveOut decides what happens to a row that cannot be used: it returns nil to skip the row.
// Only the subtask that owns a bad row reports it.
func (f *fileSource) leaveOut(err error, mine bool) error {
	var bad *badRow
	switch {
	case !errors.As(err, &bad):
		return f.at(err)
	case !mine:
		return nil
	case f.cfg.OnBadRow == stream.BadRowError:
		return f.at(fmt.Errorf("%w; fix the row, or skip such rows with on_bad_row: skip", err))
	}
	if f.skipped++; f.bad == nil {
		f.bad = bad
	}
	return nil
}

// canonical rewrites an integer key, so that equal numbers are equal keys.
func (f *fileSource) canonical() error {
	if f.cfg.KeyType != stream.KeyInteger {
		return nil
	}
	s, ok := integer(f.row.key)
	if !ok {
		return &badRow{f.rows.place(f.columns.key), fmt.Sprintf("%q is not a whole number of 64 bits, which key_type: integer asks for", clip(f.row.key))}
	}
	f.row.key = s
	return nil
}

// endOfFile decides what follows the last row: it returns nil to start another pass.
func (f *fileSource) endOfFile() error {
	switch {
	case f.read == 0:
		return f.at(errors.New("has no rows; at least one is needed"))
	case f.read <= f.subtask:
		return io.EOF // fewer rows than subtasks
	case !f.gave && f.bad != nil:
		return f.at(fmt.Errorf("none of the %d rows can be used; the first bad one: %w", f.read, f.bad))
	case !f.gave:
		return f.at(fmt.Errorf("column %q: there is no word in any of the rows", f.columns.key))
	case !f.cfg.Loop:
		return io.EOF
	}
	return f.at(f.rewind())
}

// list returns n numbers of memory that nothing else writes to.
func (f *fileSource) list(n int) []float64 {
	if n == 0 {
		return nil
	}
	if len(f.numbers) < n {
		f.numbers = make([]float64, max(n, 1024))
	}
	l := f.numbers[:n:n]
	f.numbers = f.numbers[n:]
	return l
}

// at adds the file's name to an error.
func (f *fileSource) at(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("source: %s: %w", f.cfg.Path, err)
}

// Close closes the file.
func (f *fileSource) Close() error {
	if f.err == nil {
		f.err = f.at(fs.ErrClosed)
	}
	if f.rows != nil {
		f.rows.close()
		f.rows = nil
	}
	return f.file.Close()
}

// SkippedRows returns how many bad rows file sources have skipped so far, and the problem of
// one of them.
func SkippedRows(sources []stream.Source) (rows int64, example error) {
	for _, s := range sources {
		if f, ok := s.(*fileSource); ok {
			rows += f.skipped
			if example == nil {
				example = f.at(f.bad)
			}
		}
	}
	return rows, example
}

// key is a key with its hash.
type key struct {
	name string
	hash uint64
}

// interner gives equal keys the same name and hash without computing them again, as far as
// its bounded memory allows. Names are copies, so that a key does not keep its row in memory.
type interner struct{ seen map[string]key }

const (
	internKeys  = 1 << 16 // distinct keys remembered
	internBytes = 1 << 8  // longest of them
)

func newInterner() interner { return interner{make(map[string]key)} }

func (in interner) of(name string) key {
	if k, ok := in.seen[name]; ok {
		return k
	}
	name = strings.Clone(name)
	k := key{name, stream.Hash(name)}
	if len(in.seen) < internKeys && len(name) <= internBytes {
		in.seen[name] = k
	}
	return k
}

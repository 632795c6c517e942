package file

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/saspart/saspart/config/nearest"
	"github.com/saspart/saspart/stream"
)

// format is a file whose format is known from its content.
type format struct {
	kind fileKind
	file *os.File
	size int64
}

type fileKind int

const (
	csvFile fileKind = iota
	gzipCSVFile
	arrowFile
	arrowStream
	parquetFile
)

// The first bytes of the formats.
const (
	gzipMagic    = "\x1f\x8b"
	arrowMagic   = "ARROW1"
	streamMagic  = "\xff\xff\xff\xff" // the continuation marker of an Arrow IPC message
	parquetMagic = "PAR1"
	sniffed      = 512 // bytes looked at
)

// detect finds the format of a file from its first bytes, whatever its name.
func detect(file *os.File) (*format, error) {
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.Size() == 0:
		return nil, errors.New("is empty; at least a header line and a row are needed")
	}
	f := &format{file: file, size: info.Size()}
	head, err := sniff(f.reader())
	if err != nil {
		return nil, err
	}
	if f.kind = kindOf(head); f.kind != gzipCSVFile {
		return f, f.check(head)
	}
	unzipped, err := gzip.NewReader(bufio.NewReader(f.reader()))
	if err != nil {
		return nil, gzipError(err)
	}
	if head, err = sniff(unzipped); err != nil {
		return nil, gzipError(err)
	}
	if len(head) == 0 {
		return nil, errors.New("is empty once unzipped; at least a header line and a row are needed")
	}
	if kindOf(head) != csvFile {
		return nil, errors.New("is gzipped twice or not a gzipped CSV file; unzip it first (gunzip)")
	}
	return f, f.check(head)
}

func kindOf(head []byte) fileKind {
	for _, m := range []struct {
		magic string
		kind  fileKind
	}{{gzipMagic, gzipCSVFile}, {arrowMagic, arrowFile}, {streamMagic, arrowStream}, {parquetMagic, parquetFile}} {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.kind
		}
	}
	return csvFile
}

// check refuses binary data that is none of the formats, which would be read as CSV.
func (f *format) check(head []byte) error {
	if (f.kind == csvFile || f.kind == gzipCSVFile) && bytes.IndexByte(head, 0) >= 0 {
		return errors.New("is binary, but neither Arrow IPC nor Parquet nor gzip; convert it to one of them or to CSV")
	}
	return nil
}

// sniff reads the first bytes, fewer if there are no more.
func sniff(r io.Reader) ([]byte, error) {
	head := make([]byte, sniffed)
	n, err := io.ReadFull(r, head)
	if err == io.EOF || err == io.ErrUnexpectedEOF && n > 0 {
		err = nil
	}
	return head[:n], err
}

// reader reads the file from its start, independently of other readers.
func (f *format) reader() *io.SectionReader { return io.NewSectionReader(f.file, 0, f.size) }

// open starts to read the rows.
func (f *format) open(cfg stream.FileConfig, cols columns) (rows, error) {
	switch f.kind {
	case csvFile:
		return newCSV(bufio.NewReaderSize(f.reader(), 1<<16), cfg, cols)
	case gzipCSVFile:
		unzipped, err := gzip.NewReader(bufio.NewReaderSize(f.reader(), 1<<16))
		if err != nil {
			return nil, gzipError(err)
		}
		return newCSV(unzipped, cfg, cols)
	case parquetFile:
		return openArrow(f.reader(), openParquet, cols)
	}
	return openArrow(f.reader(), openIPC, cols)
}

// gzipError explains an error of gzipped data.
func gzipError(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
		return fmt.Errorf("the gzip data end early (%w): the file is truncated; copy or download it again", err)
	}
	return fmt.Errorf("the gzip data are damaged (%w); copy or download the file again", err)
}

// column finds a column among names.
func column(names []string, name string) (int, error) {
	i := slices.Index(names, name)
	if i < 0 {
		return 0, fmt.Errorf("no column %q; %s", name, nearest.Explain(name, names))
	}
	if slices.Contains(names[i+1:], name) {
		return 0, fmt.Errorf("column %q is there more than once; rename all but one", name)
	}
	return i, nil
}

// number parses a finite number; problem says what is wrong with it.
func number(s string) (v float64, problem string) {
	v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Sprintf("%q is not a number", clip(s))
	}
	return v, notFinite(v)
}

// notFinite says what is wrong with a number that is not finite.
func notFinite(v float64) (problem string) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Sprintf("%v is not a finite number", v)
	}
	return ""
}

// integer rewrites a whole number in decimal without leading zeros or plus.
func integer(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if v, err := strconv.ParseInt(s, 10, 64); err == nil {
		return strconv.FormatInt(v, 10), true
	}
	if v, err := strconv.ParseUint(s, 10, 64); err == nil {
		return strconv.FormatUint(v, 10), true
	}
	return "", false
}

// clip shortens a value for an error message.
func clip(s string) string {
	const most = 40
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

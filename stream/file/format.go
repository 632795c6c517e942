package file

import (
	"bufio"
	"bytes"
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
	kind   fileKind
	packed *packing // nil: it is not compressed
	old    bool     // lines end with CR alone, as on Macs before 2001
	file   *os.File
	size   int64
}

type fileKind int

const (
	csvFile fileKind = iota
	jsonFile
	arrowFile
	arrowStream
	parquetFile
)

// The first bytes of the formats.
const (
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
	if f.packed = packingOf(head); f.packed != nil {
		unpacked, err := f.text()
		if err != nil {
			return nil, err
		}
		defer unpacked.Close()
		if head, err = sniff(unpacked); err != nil {
			return nil, unpackError(err)
		}
		switch {
		case len(head) == 0:
			return nil, fmt.Errorf("is empty once decompressed (%s); at least a header line and a row are needed", f.packed.name)
		case packingOf(head) != nil || kindOf(head) > jsonFile:
			return nil, fmt.Errorf("is compressed (%s), and so is what is in it, or it is no text; decompress it first", f.packed.name)
		}
	}
	f.kind, f.old = kindOf(head), bytes.IndexByte(head, '\r') >= 0 && bytes.IndexByte(head, '\n') < 0
	return f, f.check(head)
}

func kindOf(head []byte) fileKind {
	for _, m := range []struct {
		magic string
		kind  fileKind
	}{{arrowMagic, arrowFile}, {streamMagic, arrowStream}, {parquetMagic, parquetFile}} {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.kind
		}
	}
	if text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n"); len(text) > 0 && text[0] == '{' {
		return jsonFile
	}
	return csvFile
}

// check refuses binary data that is none of the formats, which would be read as CSV.
func (f *format) check(head []byte) error {
	switch {
	case f.kind > jsonFile:
		return nil
	case bytes.HasPrefix(head, []byte("\xfd7zXZ")):
		return errors.New("is compressed with xz, which is not read; decompress it first (xz -d), or use gzip, zstd or bzip2")
	case bytes.IndexByte(head, 0) >= 0:
		return errors.New("is binary, but neither Arrow IPC nor Parquet nor compressed text (gzip, zstd, bzip2); convert it to one of them, to CSV or to JSON Lines")
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
	case parquetFile:
		return openArrow(f.reader(), openParquet, cols)
	case arrowFile, arrowStream:
		return openArrow(f.reader(), openIPC, cols)
	}
	text, err := f.text()
	if err != nil {
		return nil, err
	}
	var r rows
	if f.kind == jsonFile {
		r, err = newJSON(text, cols)
	} else {
		r, err = newCSV(text, cfg, cols)
	}
	if err != nil {
		text.Close()
		return nil, err
	}
	return closing{r, text}, nil
}

// closing closes what the rows are read from with them.
type closing struct {
	rows
	text io.Closer
}

func (c closing) close() {
	c.rows.close()
	_ = c.text.Close() // it was only read
}

// text reads the file from its start as text: decompressed, and with line ends of today.
func (f *format) text() (io.ReadCloser, error) {
	in := bufio.NewReaderSize(f.reader(), 1<<16)
	if f.packed == nil && !f.old {
		return io.NopCloser(in), nil
	}
	text := io.NopCloser(in)
	if f.packed != nil {
		var err error
		if text, err = f.packed.open(in); err != nil {
			return nil, unpackError(err)
		}
	}
	if f.old {
		return struct {
			io.Reader
			io.Closer
		}{lineFeeds{text}, text}, nil
	}
	return text, nil
}

// lineFeeds reads CR as LF.
type lineFeeds struct{ from io.Reader }

func (l lineFeeds) Read(p []byte) (int, error) {
	n, err := l.from.Read(p)
	for i, b := range p[:n] {
		if b == '\r' {
			p[i] = '\n'
		}
	}
	return n, err
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

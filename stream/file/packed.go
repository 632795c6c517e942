package file

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// packing is a way in which text is compressed.
type packing struct {
	name, magic string
	open        func(io.Reader) (io.ReadCloser, error)
}

// mostWindow bounds the memory of a zstd decoder, in bytes. zstd -19 needs 8 MB.
const mostWindow = 32 << 20

var packings = []packing{
	{"gzip", "\x1f\x8b", func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }},
	{"zstd", "\x28\xb5\x2f\xfd", func(r io.Reader) (io.ReadCloser, error) {
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(mostWindow))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}},
	{"bzip2", "BZh", func(r io.Reader) (io.ReadCloser, error) { return io.NopCloser(bzip2.NewReader(r)), nil }},
}

// packingOf finds how a file is compressed from its first bytes; nil: it is not.
func packingOf(head []byte) *packing {
	for i := range packings {
		if bytes.HasPrefix(head, []byte(packings[i].magic)) {
			return &packings[i]
		}
	}
	return nil
}

// unpackError explains an error of compressed data.
func unpackError(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF:
		return fmt.Errorf("the compressed data end early (%w): the file is truncated; copy or download it again", err)
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return fmt.Errorf("the compressed data need more than %d MB of memory (%w); compress the file without --long and --ultra", mostWindow>>20, err)
	}
	return fmt.Errorf("the compressed data are damaged (%w); copy or download the file again", err)
}

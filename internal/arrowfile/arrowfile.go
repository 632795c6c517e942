// Package arrowfile reads Arrow IPC files and streams, and Parquet files, of unknown origin.
// Arrow's readers trust the lengths in a file: a damaged one of some hundred bytes makes
// them allocate gigabytes. This package checks each length against the file before memory
// is allocated for it, bounds the memory that decoding takes, and turns panics into errors.
package arrowfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// Limits bounds the memory that a file may take.
type Limits struct {
	Fields int // fields of the schema, nested ones and metadata entries included
	Batch  int // bytes of a record batch and of its dictionaries, as stored and decoded
}

// Errors that callers tell apart.
var (
	// ErrCut says that the file ends within a message.
	ErrCut = errors.New("cut short")
	// ErrNoFooter says that an Arrow file does not end with a footer.
	ErrNoFooter = errors.New("it has no footer: it is cut short, or still being written")
)

// The parts of an Arrow file around its messages.
const (
	Magic     = "ARROW1"
	HeadBytes = 8  // magic and two zeros
	footBytes = 10 // length of the footer, magic
)

// Reader reads the record batches of an Arrow file or stream in order. It must not be used
// concurrently.
type Reader struct {
	messages messages
	mem      budget
	stream   *ipc.Reader
}

// Open reads the schema of an Arrow file or stream of the given size. A file must have its
// footer; its batches are read in the order in which they were written.
func Open(r io.ReaderAt, size int64, l Limits) (*Reader, error) {
	head := make([]byte, min(size, HeadBytes))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return nil, err
	}
	if len(head) < HeadBytes || string(head[:len(Magic)]) != Magic {
		return New(r, 0, size, false, l)
	}
	end, complete, err := End(r, size)
	switch {
	case err != nil:
		return nil, err
	case !complete:
		return nil, ErrNoFooter
	}
	return New(r, HeadBytes, end, false, l)
}

// End returns where the messages of an Arrow file end: at its footer if it is complete,
// else at the end of the file.
func End(r io.ReaderAt, size int64) (end int64, complete bool, err error) {
	if size < HeadBytes+footBytes {
		return size, false, nil
	}
	foot := make([]byte, footBytes)
	if _, err := r.ReadAt(foot, size-footBytes); err != nil {
		return 0, false, err
	}
	if string(foot[4:]) != Magic {
		return size, false, nil
	}
	end = size - footBytes - int64(binary.LittleEndian.Uint32(foot))
	if end < HeadBytes {
		return 0, false, fmt.Errorf("the footer at byte %d claims to begin before the file does: the file is corrupt", size-footBytes)
	}
	return end, true, nil
}

// New reads the schema of the messages from byte start to end. If the file is partial, a
// message that is cut short ends the batches without an error.
func New(r io.ReaderAt, start, end int64, partial bool, l Limits) (*Reader, error) {
	a := &Reader{mem: budget{Allocator: memory.NewGoAllocator(), limit: l.Batch}}
	a.messages = messages{r: r, at: start, end: end, partial: partial, limits: l, mem: &a.mem}
	var err error
	if a.stream, err = ipc.NewReaderFromMessageReader(&a.messages, ipc.WithAllocator(&a.mem)); err != nil {
		if a.messages.cut || errors.Is(err, io.EOF) {
			err = ErrCut
		}
		return nil, err
	}
	return a, nil
}

// Schema returns the file's schema.
func (a *Reader) Schema() *arrow.Schema { return a.stream.Schema() }

// Next returns the next record batch, io.EOF after the last. It is valid until the next call.
func (a *Reader) Next() (arrow.Record, error) {
	if a.stream.Next() {
		return a.stream.Record(), nil
	}
	if err := a.stream.Err(); err != nil {
		return nil, err
	}
	return nil, io.EOF
}

// Close frees the last batch.
func (a *Reader) Close() { a.stream.Release() }

// Position returns the byte where the last message begins.
func (a *Reader) Position() int64 { return a.messages.start }

// Rows calls f for each record batch. A panic in f, which reads a damaged batch, is an error.
func (a *Reader) Rows(f func(arrow.Record) error) error {
	return Guard(func() error {
		for {
			batch, err := a.Next()
			if err == io.EOF {
				return nil
			}
			if err == nil {
				err = f(batch)
			}
			if err != nil {
				return err
			}
		}
	})
}

// Guard calls f and turns a panic into an error: the Arrow library checks few of a file's
// claims, so a corrupt offset shows as an index out of range.
func Guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("damaged: %v", p)
		}
	}()
	return f()
}

// budget is an allocator that panics when more than limit bytes are allocated for a batch.
// Arrow's interface has no error; the panic becomes one where the reader is called.
type budget struct {
	memory.Allocator
	used, limit int
}

// Allocate implements memory.Allocator.
func (b *budget) Allocate(size int) []byte {
	b.spend(size)
	return b.Allocator.Allocate(size)
}

// Reallocate implements memory.Allocator.
func (b *budget) Reallocate(size int, old []byte) []byte {
	b.spend(size - len(old))
	return b.Allocator.Reallocate(size, old)
}

func (b *budget) spend(n int) {
	if n < 0 {
		return
	}
	if n > b.limit-b.used {
		panic(fmt.Sprintf("it claims more than %d bytes of memory", b.limit))
	}
	b.used += n
}

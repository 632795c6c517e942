package dataset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// frames hands the messages of an Arrow file or stream to Arrow's reader, in
// order, and knows their positions. It does not trust lengths: a message that claims more
// bytes than the file has is an error before any memory is allocated for it.
//
// A message (Arrow columnar format, "Encapsulated message format"): 0xFFFFFFFF,
// metadata length, both 32 bit little endian, metadata, body.
type frames struct {
	r       io.ReaderAt
	at, end int64 // next message, end of the messages
	partial bool  // the file may end anywhere: a message cut short is the end

	start  int64 // of the message read last
	headed bool  // the header was read
	cut    bool  // the file ended within a message
}

const (
	continuation     = 0xFFFFFFFF // begins a message
	maxFooterRoot    = 1 << 10    // a footer begins with the distance to its root table, a few bytes
	maxMetadataBytes = 16 << 20
)

// errCut says that the file ends within a message.
var errCut = errors.New("cut short")

// Message implements ipc.MessageReader. The message is valid until the next call.
func (f *frames) Message() (*ipc.Message, error) {
	f.start = f.at
	msg, err := f.read()
	if errors.Is(err, errCut) && f.partial {
		f.cut = true
		return nil, io.EOF
	}
	return msg, err
}

func (f *frames) read() (msg *ipc.Message, err error) {
	// Arrow's accessors panic on metadata that is none.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("its metadata is corrupt: %v", p)
		}
	}()
	if f.at == f.end {
		return nil, io.EOF
	}
	var prefix [8]byte
	if err := f.fill(prefix[:]); err != nil {
		return nil, err
	}
	mark, size := binary.LittleEndian.Uint32(prefix[:4]), int64(binary.LittleEndian.Uint32(prefix[4:]))
	switch {
	case size == 0 && (mark == continuation || mark == 0): // end of a stream, or space never written
		return nil, io.EOF
	case mark < maxFooterRoot && f.partial: // a footer cut short
		return nil, errCut
	case mark != continuation:
		return nil, fmt.Errorf("a message begins with %#08x instead of 0xffffffff", mark)
	case size > maxMetadataBytes:
		return nil, fmt.Errorf("a message claims %d bytes of metadata", size)
	}
	meta, err := f.take(size)
	if err != nil {
		return nil, err
	}
	if !f.headed {
		if err := checkHeader(meta); err != nil {
			return nil, err
		}
		f.headed = true
	}
	head := ipc.NewMessage(memory.NewBufferBytes(meta), memory.NewBufferBytes(nil))
	body := head.BodyLen()
	if body < 0 || body > maxBatchBytes {
		return nil, fmt.Errorf("a message claims %d bytes", body)
	}
	data, err := f.take(body)
	if err != nil {
		return nil, err
	}
	return ipc.NewMessage(memory.NewBufferBytes(meta), memory.NewBufferBytes(data)), nil
}

// take reads n bytes after checking that the file has them.
func (f *frames) take(n int64) ([]byte, error) {
	if n > f.end-f.at {
		return nil, errCut
	}
	p := make([]byte, n)
	return p, f.fill(p)
}

func (f *frames) fill(p []byte) error {
	if int64(len(p)) > f.end-f.at {
		return errCut
	}
	n, err := f.r.ReadAt(p, f.at)
	if n == len(p) {
		f.at += int64(n)
		return nil
	}
	if err == io.EOF {
		err = errCut
	}
	return err
}

// Retain implements ipc.MessageReader; a frames has one owner.
func (f *frames) Retain() {}

// Release implements ipc.MessageReader.
func (f *frames) Release() {}

// budget is an allocator that panics when more than limit bytes are allocated between two
// resets. Arrow's interface has no error; Arrow's reader turns the panic into one.
type budget struct {
	memory.Allocator
	used, limit int
}

func (b *budget) reset() { b.used = 0 }

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

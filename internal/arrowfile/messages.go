package arrowfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// messages hands the messages of an Arrow file or stream to Arrow's reader, in order, and
// knows their positions. It does not trust lengths: a message that claims more bytes than
// the file has is an error before any memory is allocated for it.
//
// A message (Arrow columnar format, "Encapsulated message format"): 0xFFFFFFFF,
// metadata length, both 32 bit little endian, metadata, body.
type messages struct {
	r       io.ReaderAt
	at, end int64 // next message, end of the messages
	partial bool  // the file may end anywhere: a message cut short is the end
	limits  Limits
	mem     *budget

	start  int64 // of the message read last
	headed bool  // the header was read
	cut    bool  // the file ended within a message

	last         *dictionaryBatch // the message read last, if it is a dictionary
	dictionaries map[int64]int    // memory of each dictionary
}

// dictionaryBatch describes a message with a dictionary.
type dictionaryBatch struct {
	id    int64
	delta bool // it is added to the dictionary of that id, which it otherwise replaces
}

const (
	continuation     = 0xFFFFFFFF // begins a message
	maxFooterRoot    = 1 << 10    // a footer begins with the distance to its root table, a few bytes
	maxMetadataBytes = 16 << 20
)

// Message implements ipc.MessageReader. The message is valid until the next call.
func (m *messages) Message() (*ipc.Message, error) {
	m.account()
	m.start = m.at
	var msg *ipc.Message
	err := Guard(func() (err error) {
		msg, err = m.read()
		return err
	})
	if errors.Is(err, ErrCut) && m.partial {
		m.cut = true
		return nil, io.EOF
	}
	return msg, err
}

// account frees the memory of the last message in the budget, except that of dictionaries,
// which later batches refer to.
func (m *messages) account() {
	held := 0
	for _, n := range m.dictionaries {
		held += n
	}
	if d := m.last; d != nil {
		if m.dictionaries == nil {
			m.dictionaries = map[int64]int{}
		}
		took := m.mem.used - held
		if !d.delta {
			held -= m.dictionaries[d.id]
			m.dictionaries[d.id] = 0
		}
		m.dictionaries[d.id] += took
		held += took
	}
	m.last, m.mem.used = nil, held
}

func (m *messages) read() (*ipc.Message, error) {
	if m.at == m.end {
		return nil, io.EOF
	}
	var prefix [8]byte
	if err := m.fill(prefix[:]); err != nil {
		return nil, err
	}
	mark, size := binary.LittleEndian.Uint32(prefix[:4]), int64(binary.LittleEndian.Uint32(prefix[4:]))
	switch {
	case size == 0 && (mark == continuation || mark == 0): // end of a stream, or space never written
		return nil, io.EOF
	case mark < maxFooterRoot && m.partial: // a footer cut short
		return nil, ErrCut
	case mark != continuation:
		return nil, fmt.Errorf("a message begins with %#08x instead of 0xffffffff", mark)
	case size > maxMetadataBytes:
		return nil, fmt.Errorf("a message claims %d bytes of metadata", size)
	}
	meta, err := m.take(size)
	if err != nil {
		return nil, err
	}
	h := header{meta: meta, fields: m.limits.Fields, text: maxMetadataBytes}
	kind, content := h.open()
	if !m.headed {
		if kind != headerSchema {
			return nil, errors.New("the first message is no schema")
		}
		if err := h.schema(content); err != nil {
			return nil, err
		}
		m.headed = true
	} else if kind == headerSchema {
		return nil, errors.New("there is a second schema")
	}
	length := ipc.NewMessage(memory.NewBufferBytes(meta), memory.NewBufferBytes(nil)).BodyLen()
	if length < 0 || length > int64(m.limits.Batch) {
		return nil, fmt.Errorf("a message claims %d bytes, where %d are the most", length, m.limits.Batch)
	}
	body, err := m.take(length)
	if err != nil {
		return nil, err
	}
	switch kind {
	case headerDictionary:
		m.last, content = h.dictionary(content)
		fallthrough
	case headerBatch:
		if err := h.batch(content, body, m.limits.Batch); err != nil {
			return nil, err
		}
	}
	return ipc.NewMessage(memory.NewBufferBytes(meta), memory.NewBufferBytes(body)), nil
}

// take reads n bytes after checking that the file has them.
func (m *messages) take(n int64) ([]byte, error) {
	if n > m.end-m.at {
		return nil, ErrCut
	}
	p := make([]byte, n)
	return p, m.fill(p)
}

func (m *messages) fill(p []byte) error {
	if int64(len(p)) > m.end-m.at {
		return ErrCut
	}
	n, err := m.r.ReadAt(p, m.at)
	if n == len(p) {
		m.at += int64(n)
		return nil
	}
	if err == io.EOF {
		err = ErrCut
	}
	return err
}

// Retain implements ipc.MessageReader; messages have one owner.
func (m *messages) Retain() {}

// Release implements ipc.MessageReader.
func (m *messages) Release() {}

package arrowfile

import (
	"errors"
	"fmt"

	flatbuffers "github.com/google/flatbuffers/go"
	"github.com/klauspost/compress/zstd"
)

// Slots of the flatbuffer tables in the metadata of a message (Arrow's Message.fbs and
// Schema.fbs), and kinds of messages and types.
const (
	messageHeaderType = 6
	messageHeader     = 8

	schemaFields   = 6
	schemaMetadata = 8

	fieldName     = 4
	fieldTypeType = 8
	fieldType     = 10
	fieldChildren = 14
	fieldMetadata = 16

	pairKey   = 4
	pairValue = 6

	timestampZone = 6
	unionTypeIDs  = 6

	dictionaryID      = 4
	dictionaryData    = 6
	dictionaryIsDelta = 8

	batchBuffers       = 8
	batchCompression   = 10
	batchVariadic      = 12
	compressionCodec   = 4
	compressionZstd    = 1
	bytesOfBuffer      = 16 // in the vector of buffers: offset and length
	bytesBeforeContent = 8  // of a compressed buffer: its length when decoded

	headerSchema     = 1
	headerDictionary = 2
	headerBatch      = 3

	typeTimestamp = 10
	typeUnion     = 14
)

// header checks the metadata of messages before Arrow's reader sees it. That reader trusts
// the lengths in it, so one wrong byte makes it allocate gigabytes. Offsets outside the
// metadata cause a panic, here as in Arrow's reader; the caller recovers.
type header struct {
	meta   []byte
	fields int // that it may still have
	text   int // bytes of names and metadata that it may still have; entries may share them
}

// open returns the kind of the message and its content.
func (h *header) open() (kind byte, content flatbuffers.Table) {
	msg := flatbuffers.Table{Bytes: h.meta, Pos: flatbuffers.GetUOffsetT(h.meta)}
	if o := msg.Offset(messageHeaderType); o != 0 {
		kind = msg.GetByte(msg.Pos + flatbuffers.UOffsetT(o))
	}
	content, ok := child(msg, messageHeader)
	if !ok {
		kind = 0
	}
	return kind, content
}

// schema checks the fields and the metadata of a schema.
func (h *header) schema(schema flatbuffers.Table) error {
	if err := h.pairs(schema, schemaMetadata); err != nil {
		return err
	}
	return h.children(schema, schemaFields)
}

// children checks a table's vector of fields and their children.
func (h *header) children(t flatbuffers.Table, slot flatbuffers.VOffsetT) error {
	return h.each(t, slot, func(field flatbuffers.Table) error {
		if err := h.string(field, fieldName); err != nil {
			return err
		}
		kind := byte(0)
		if o := field.Offset(fieldTypeType); o != 0 {
			kind = field.GetByte(field.Pos + flatbuffers.UOffsetT(o))
		}
		if of, ok := child(field, fieldType); ok {
			switch kind {
			case typeTimestamp:
				if err := h.string(of, timestampZone); err != nil {
					return err
				}
			case typeUnion:
				if n, _ := vector(of, unionTypeIDs); n > 127 {
					return fmt.Errorf("the header claims a union of %d types", n)
				}
			}
		}
		if err := h.pairs(field, fieldMetadata); err != nil {
			return err
		}
		return h.children(field, fieldChildren)
	})
}

// pairs checks a vector of metadata entries.
func (h *header) pairs(t flatbuffers.Table, slot flatbuffers.VOffsetT) error {
	return h.each(t, slot, func(pair flatbuffers.Table) error {
		return errors.Join(h.string(pair, pairKey), h.string(pair, pairValue))
	})
}

// each calls f for each table of a vector of tables, as long as fields are left.
func (h *header) each(t flatbuffers.Table, slot flatbuffers.VOffsetT, f func(flatbuffers.Table) error) error {
	n, start := vector(t, slot)
	if n > h.fields {
		return errors.New("the header claims too many fields and metadata entries")
	}
	h.fields -= n
	for i := range n {
		if err := f(tableAt(t.Bytes, start+4*flatbuffers.UOffsetT(i))); err != nil {
			return err
		}
	}
	return nil
}

// string checks the length of a text.
func (h *header) string(t flatbuffers.Table, slot flatbuffers.VOffsetT) error {
	n, _ := vector(t, slot)
	if n > h.text {
		return errors.New("the header claims too long names and metadata")
	}
	h.text -= n
	return nil
}

// dictionary returns which dictionary a message has, and its record batch.
func (h *header) dictionary(t flatbuffers.Table) (*dictionaryBatch, flatbuffers.Table) {
	d := &dictionaryBatch{}
	if o := t.Offset(dictionaryID); o != 0 {
		d.id = t.GetInt64(t.Pos + flatbuffers.UOffsetT(o))
	}
	if o := t.Offset(dictionaryIsDelta); o != 0 {
		d.delta = t.GetBool(t.Pos + flatbuffers.UOffsetT(o))
	}
	data, ok := child(t, dictionaryData)
	if !ok {
		panic("a dictionary without values")
	}
	return d, data
}

// batch checks the record batch in body: views may claim any number of buffers, and a
// compressed buffer any window for the decoder.
func (h *header) batch(t flatbuffers.Table, body []byte, most int) error {
	n, start := vector(t, batchBuffers)
	views, first := vector(t, batchVariadic)
	left := int64(n)
	for i := range views {
		if left -= max(0, t.GetInt64(first+8*flatbuffers.UOffsetT(i))); left < 0 {
			return fmt.Errorf("views claim more buffers than the %d of the batch", n)
		}
	}
	compression, compressed := child(t, batchCompression)
	if !compressed {
		return nil
	}
	if o := compression.Offset(compressionCodec); o == 0 || compression.GetByte(compression.Pos+flatbuffers.UOffsetT(o)) != compressionZstd {
		return nil
	}
	for i := range n {
		at := start + bytesOfBuffer*flatbuffers.UOffsetT(i)
		offset, length := t.GetInt64(at), t.GetInt64(at+8)
		if length <= bytesBeforeContent {
			continue
		}
		var frame zstd.Header
		content := body[offset : offset+length] // panics outside the body
		if frame.Decode(content[bytesBeforeContent:]) == nil && frame.WindowSize > uint64(most) {
			return fmt.Errorf("a buffer claims %d bytes for its decoder, where %d are the most", frame.WindowSize, most)
		}
	}
	return nil
}

// child returns the table that a table refers to in a slot.
func child(t flatbuffers.Table, slot flatbuffers.VOffsetT) (flatbuffers.Table, bool) {
	o := flatbuffers.UOffsetT(t.Offset(slot))
	if o == 0 {
		return flatbuffers.Table{}, false
	}
	return tableAt(t.Bytes, t.Pos+o), true
}

// vector returns the length and the start of the vector or text in a slot of a table.
func vector(t flatbuffers.Table, slot flatbuffers.VOffsetT) (n int, start flatbuffers.UOffsetT) {
	o := flatbuffers.UOffsetT(t.Offset(slot))
	if o == 0 {
		return 0, 0
	}
	return t.VectorLen(o), t.Vector(o)
}

// tableAt follows the reference at position pos.
func tableAt(b []byte, pos flatbuffers.UOffsetT) flatbuffers.Table {
	return flatbuffers.Table{Bytes: b, Pos: pos + flatbuffers.GetUOffsetT(b[pos:])}
}

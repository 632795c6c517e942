package dataset

import (
	"fmt"

	flatbuffers "github.com/google/flatbuffers/go"
)

// Slots of the flatbuffer tables in an Arrow header (Arrow's Message.fbs and
// Schema.fbs).
const (
	messageHeaderType = 6
	messageHeader     = 8
	schemaFields      = 6
	schemaMetadata    = 8
	fieldTypeType     = 8
	fieldDictionary   = 12
	fieldChildren     = 14
	fieldMetadata     = 16

	headerSchema = 1

	maxHeaderTables = 1000 // fields and metadata pairs; a trace has about 60
)

// checkHeader checks the metadata of an Arrow schema message before Arrow's reader sees it.
// That reader trusts the lengths in it, so one wrong byte makes it allocate gigabytes.
// Offsets outside the message cause a panic, here as in Arrow's reader; the caller recovers.
func checkHeader(meta []byte) error {
	msg := flatbuffers.Table{Bytes: meta, Pos: flatbuffers.GetUOffsetT(meta)}
	if o := msg.Offset(messageHeaderType); o == 0 || msg.GetByte(msg.Pos+flatbuffers.UOffsetT(o)) != headerSchema {
		return fmt.Errorf("the first message is no schema")
	}
	o := msg.Offset(messageHeader)
	if o == 0 {
		return fmt.Errorf("the first message has no content")
	}
	schema := tableAt(meta, msg.Pos+flatbuffers.UOffsetT(o))
	left := maxHeaderTables
	if err := eachTable(schema, schemaMetadata, &left, func(flatbuffers.Table) error { return nil }); err != nil {
		return err
	}
	return checkFields(schema, schemaFields, &left)
}

// checkFields checks a table's vector of fields and their children.
func checkFields(t flatbuffers.Table, slot flatbuffers.VOffsetT, left *int) error {
	return eachTable(t, slot, left, func(field flatbuffers.Table) error {
		kind := byte(0)
		if o := field.Offset(fieldTypeType); o != 0 {
			kind = field.GetByte(field.Pos + flatbuffers.UOffsetT(o))
		}
		switch kind {
		case 2, 3, 4, 5, 6, 12, 13: // Int, FloatingPoint, Binary, Utf8, Bool, List, Struct_
		default:
			return fmt.Errorf("not a trace: a column has Arrow type %d, which no trace has", kind)
		}
		if field.Offset(fieldDictionary) != 0 {
			return fmt.Errorf("not a trace: a column is dictionary-encoded")
		}
		if err := eachTable(field, fieldMetadata, left, func(flatbuffers.Table) error { return nil }); err != nil {
			return err
		}
		return checkFields(field, fieldChildren, left)
	})
}

// eachTable calls f for each table of a vector of tables, as long as no more than
// *left are left.
func eachTable(t flatbuffers.Table, slot flatbuffers.VOffsetT, left *int, f func(flatbuffers.Table) error) error {
	o := flatbuffers.UOffsetT(t.Offset(slot))
	if o == 0 {
		return nil
	}
	n := t.VectorLen(o)
	if n > *left {
		return fmt.Errorf("the header claims more than %d fields and metadata entries", maxHeaderTables)
	}
	*left -= n
	start := t.Vector(o)
	for i := range n {
		if err := f(tableAt(t.Bytes, start+4*flatbuffers.UOffsetT(i))); err != nil {
			return err
		}
	}
	return nil
}

// tableAt follows the reference at position pos.
func tableAt(b []byte, pos flatbuffers.UOffsetT) flatbuffers.Table {
	return flatbuffers.Table{Bytes: b, Pos: pos + flatbuffers.GetUOffsetT(b[pos:])}
}

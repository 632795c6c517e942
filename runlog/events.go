package runlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of TensorFlow's event.proto and summary.proto, as far as scalars
// need them.
const (
	eventWallTime    = 1 // double, seconds since 1970
	eventStep        = 2 // int64
	eventFileVersion = 3 // string
	eventSummary     = 5
	eventSession     = 7
	summaryValue     = 1 // repeated
	valueTag         = 1 // string
	valueSimple      = 2 // float
	sessionStatus    = 1 // enum
	sessionStart     = 1

	fileVersion = "brain.Event:2"
)

// events appends to a TensorBoard event file. Every record is one write, so that a
// reader sees complete ones.
//
// A record (TensorFlow's record_writer.h), all little endian: the length of the data,
// 64 bits; the masked CRC32C of those 8 bytes, 32 bits; the data; its masked CRC32C.
// The data is an Event message.
type events struct {
	file  *os.File
	size  int64
	data  []byte
	value []byte
	frame []byte
}

// createEvents starts an event file in dir. TensorBoard reads the files of a folder in the
// order of their names. A name has the time at which the file is begun, the number of
// earlier files, and the host.
func createEvents(dir string, start time.Time, host string, number int) (*events, error) {
	name := fmt.Sprintf("events.out.tfevents.%010d.%04d.%s", start.Unix(), number, host)
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, err
	}
	e := &events{file: f}
	e.begin(start, 0)
	e.data = protowire.AppendTag(e.data, eventFileVersion, protowire.BytesType)
	e.data = protowire.AppendString(e.data, fileVersion)
	if err := e.write(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return e, nil
}

// resumed marks the values of earlier files, from the given step on, as void.
func (e *events) resumed(at time.Time, step int64) error {
	e.begin(at, step)
	e.data = protowire.AppendTag(e.data, eventSession, protowire.BytesType)
	status := protowire.AppendTag(nil, sessionStatus, protowire.VarintType)
	e.data = protowire.AppendBytes(e.data, protowire.AppendVarint(status, sessionStart))
	return e.write()
}

// add appends the values of the given tags that there are, in that order.
func (e *events) add(at time.Time, step int64, tags []string, values map[string]float64) error {
	e.begin(at, step)
	var summary []byte
	for _, tag := range tags {
		v, ok := values[tag]
		if !ok {
			continue
		}
		e.value = protowire.AppendTag(e.value[:0], valueTag, protowire.BytesType)
		e.value = protowire.AppendString(e.value, tag)
		e.value = protowire.AppendTag(e.value, valueSimple, protowire.Fixed32Type)
		e.value = protowire.AppendFixed32(e.value, math.Float32bits(float32(v)))
		summary = protowire.AppendTag(summary, summaryValue, protowire.BytesType)
		summary = protowire.AppendBytes(summary, e.value)
	}
	e.data = protowire.AppendTag(e.data, eventSummary, protowire.BytesType)
	e.data = protowire.AppendBytes(e.data, summary)
	return e.write()
}

// begin starts the next event.
func (e *events) begin(at time.Time, step int64) {
	e.data = protowire.AppendTag(e.data[:0], eventWallTime, protowire.Fixed64Type)
	e.data = protowire.AppendFixed64(e.data, math.Float64bits(float64(at.UnixNano())/1e9))
	e.data = protowire.AppendTag(e.data, eventStep, protowire.VarintType)
	e.data = protowire.AppendVarint(e.data, uint64(step))
}

// write appends the event as a record, or nothing of it.
func (e *events) write() error {
	e.frame = appendRecord(e.frame[:0], e.data)
	if _, err := e.file.WriteAt(e.frame, e.size); err != nil {
		return errors.Join(err, e.file.Truncate(e.size))
	}
	e.size += int64(len(e.frame))
	return nil
}

// appendRecord frames data.
func appendRecord(dst, data []byte) []byte {
	at := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(data)))
	dst = binary.LittleEndian.AppendUint32(dst, masked(dst[at:]))
	dst = append(dst, data...)
	return binary.LittleEndian.AppendUint32(dst, masked(data))
}

// masked is the CRC32C of b as records hold it: rotated and shifted, because the
// checksum of data that contains its own checksum says little.
func masked(b []byte) uint32 {
	c := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	return (c>>15 | c<<17) + 0xa282ead8
}

package wire

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// Codec is gRPC's codec for protocol buffers. It also sends encoded messages (Frame) and
// receives messages without decoding them (Received).
type Codec struct{}

// FlowWindow is the flow-control window of streams and connections in bytes. A few
// reports or routes fit.
const FlowWindow = 256 << 10

// Frame is an encoded message. It may be sent on any number of streams and must not
// change.
type Frame []byte

// Received is a received message, still encoded.
type Received struct{ buffer mem.Buffer }

// Bytes returns the message, which is valid until Free.
func (r *Received) Bytes() []byte { return r.buffer.ReadOnlyData() }

// Free releases the message's memory. It must be called once for each received message.
func (r *Received) Free() { r.buffer.Free() }

var messages = encoding.GetCodecV2(proto.Name)

// Marshal implements encoding.CodecV2.
func (Codec) Marshal(v any) (mem.BufferSlice, error) {
	f, ok := v.(Frame)
	if !ok {
		return messages.Marshal(v)
	}
	return mem.BufferSlice{mem.SliceBuffer(f)}, nil
}

// Unmarshal implements encoding.CodecV2.
func (Codec) Unmarshal(data mem.BufferSlice, v any) error {
	r, ok := v.(*Received)
	if !ok {
		return messages.Unmarshal(data, v)
	}
	r.buffer = data.MaterializeToBuffer(mem.DefaultBufferPool())
	return nil
}

// Name implements encoding.CodecV2: on the wire it is the codec of protocol buffers.
func (Codec) Name() string { return proto.Name }

package wire

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// Codec is the codec of protocol buffers for gRPC, which besides messages takes encoded
// ones: it sends a Frame and receives a Received as they are.
type Codec struct{}

// FlowWindow is how many bytes may be under way to either side, unread: some reports or
// routes.
const FlowWindow = 256 << 10

// Frame is an encoded message to send, on any number of streams. It must not be changed.
type Frame []byte

// Received is an encoded message that came.
type Received struct{ buffer mem.Buffer }

// Bytes is the message, until Free.
func (r *Received) Bytes() []byte { return r.buffer.ReadOnlyData() }

// Free gives the message's memory back. It must be called once for each that came.
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

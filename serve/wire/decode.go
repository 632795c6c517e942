package wire

import (
	"google.golang.org/protobuf/proto"

	pb "github.com/saspart/saspart/proto/saspart/v1"
)

// What comes all the time, reports and routes, is decoded here into messages whose
// memory is used again; fields that are rare, and those of later versions, are left to
// the library. The result is what the library would make of the same bytes, but that
// names of keys are the encoded message's bytes, not copies.

// rare decodes a field into a message that has been begun.
func rare(field []byte, m proto.Message) bool {
	return proto.UnmarshalOptions{Merge: true, DiscardUnknown: true}.Unmarshal(field, m) == nil
}

// reportIn is the encoded report of an encoded pb.AttachRequest that holds nothing else.
func reportIn(request []byte) ([]byte, bool) { return alone(request, 2) }

// decisionIn is the encoded decision of an encoded pb.AttachResponse that holds nothing
// else.
func decisionIn(response []byte) ([]byte, bool) { return alone(response, 2) }

// alone is the content of a nested message that is all there is of another one.
func alone(b []byte, number uint64) ([]byte, bool) {
	f := fields{rest: b}
	ok := f.next() && f.tag == number<<3|nested && len(f.rest) == 0
	return f.bytes, ok
}

func decodeReport(b []byte, m *pb.Report) bool {
	workers, partitioners := m.Workers[:0], m.Partitioners[:0]
	m.Reset()
	f := fields{rest: b}
	ok := true
	for ok && f.next() {
		switch f.tag {
		case 1<<3 | varint:
			m.Slide = f.value
		case 2<<3 | nested:
			var w *pb.WorkerReport
			workers, w = another(workers)
			ok = decodeWorker(f.bytes, w)
		case 3<<3 | nested:
			var p *pb.PartitionerReport
			partitioners, p = another(partitioners)
			ok = decodePartitioner(f.bytes, p)
		default:
			ok = rare(f.field, m)
		}
	}
	m.Workers, m.Partitioners = workers, partitioners
	return ok && !f.bad
}

func decodeWorker(b []byte, m *pb.WorkerReport) bool {
	realised, latency := m.Realised[:0], m.Latency
	m.Reset()
	f := fields{rest: b}
	ok := true
	for ok && f.next() {
		switch f.tag {
		case 1<<3 | varint:
			m.Index = uint32(f.value)
		case 2<<3 | varint:
			m.Records = f.value
		case 3<<3 | varint:
			m.Units = f.value
		case 4<<3 | fixed64:
			m.Busy = f.number()
		case 5<<3 | fixed64:
			m.Queue = f.number()
		case 6<<3 | nested:
			var s *pb.RealisedShare
			realised, s = another(realised)
			ok = decodeRealised(f.bytes, s)
		case 7<<3 | fixed64:
			m.Cpu = f.number()
		case 8<<3 | varint:
			m.Bypassed = f.value
		case 9<<3 | varint:
			m.StateKeys = f.value
		case 10<<3 | nested:
			if m.Latency != nil { // a second one adds to the first
				ok = rare(f.field, m)
				break
			}
			if latency == nil {
				latency = new(pb.Latency)
			}
			m.Latency = latency
			ok = decodeLatency(f.bytes, latency)
		default:
			ok = rare(f.field, m)
		}
	}
	m.Realised = realised
	return ok && !f.bad
}

func decodeLatency(b []byte, m *pb.Latency) bool {
	buckets, counts := m.Buckets[:0], m.Counts[:0]
	m.Reset()
	f := fields{rest: b}
	ok := true
	for ok && f.next() {
		switch f.tag {
		case 1<<3 | nested:
			buckets, ok = packed(buckets, f.bytes)
		case 1<<3 | varint:
			buckets = append(buckets, uint32(f.value))
		case 2<<3 | nested:
			counts, ok = packed(counts, f.bytes)
		case 2<<3 | varint:
			counts = append(counts, f.value)
		case 3<<3 | varint:
			m.MaxNs = f.value
		default:
			ok = rare(f.field, m)
		}
	}
	m.Buckets, m.Counts = buckets, counts
	return ok && !f.bad
}

func decodeRealised(b []byte, m *pb.RealisedShare) bool {
	m.Reset()
	f := fields{rest: b}
	ok := true
	for ok && f.next() {
		switch f.tag {
		case 1<<3 | fixed64:
			m.Hash = f.value
		case 2<<3 | varint:
			m.Count = f.value
		default:
			ok = rare(f.field, m)
		}
	}
	return ok && !f.bad
}

func decodePartitioner(b []byte, m *pb.PartitionerReport) bool {
	hot, slots := m.Hot[:0], m.Slots[:0]
	m.Reset()
	f := fields{rest: b}
	ok := true
	for ok && f.next() {
		switch f.tag {
		case 1<<3 | varint:
			m.Index = uint32(f.value)
		case 2<<3 | varint:
			m.Sent = f.value
		case 3<<3 | fixed64:
			m.Offered = f.number()
		case 4<<3 | fixed64:
			m.Blocked = f.number()
		case 5<<3 | nested:
			var k *pb.HotKey
			hot, k = another(hot)
			ok = decodeHot(f.bytes, k)
		case 6<<3 | nested:
			slots, ok = packed(slots, f.bytes)
		case 6<<3 | varint:
			slots = append(slots, f.value)
		case 7<<3 | varint:
			m.RouteVersion = f.value
		case 8<<3 | varint:
			m.RouteChanged = f.value != 0
		default:
			ok = rare(f.field, m)
		}
	}
	m.Hot, m.Slots = hot, slots
	return ok && !f.bad
}

func decodeHot(b []byte, m *pb.HotKey) bool {
	m.Reset()
	f := fields{rest: b}
	ok := true
	for ok && f.next() {
		switch f.tag {
		case 1<<3 | fixed64:
			m.Hash = f.value
		case 2<<3 | nested:
			m.Name = f.bytes
		case 3<<3 | varint:
			m.Count = f.value
		case 4<<3 | varint:
			m.Error = f.value
		default:
			ok = rare(f.field, m)
		}
	}
	return ok && !f.bad
}

// decodeDecision decodes a decision. Its memory is used again only with the route's, for
// which route is put to use.
func decodeDecision(b []byte, m *pb.Decision, route *pb.Route) bool {
	m.Reset()
	f := fields{rest: b}
	ok := true
	for ok && f.next() {
		switch {
		case f.tag == 3<<3|nested && m.Route == nil:
			m.Route = route
			ok = decodeRoute(f.bytes, route)
		default:
			ok = rare(f.field, m)
		}
	}
	return ok && !f.bad
}

func decodeRoute(b []byte, m *pb.Route) bool {
	keys, slots := m.Keys[:0], m.Slots[:0]
	m.Reset()
	f := fields{rest: b}
	ok := true
	for ok && f.next() {
		switch f.tag {
		case 1<<3 | varint:
			m.Version = f.value
		case 2<<3 | varint:
			m.Workers = uint32(f.value)
		case 3<<3 | nested:
			var k *pb.KeyRoute
			keys, k = another(keys)
			ok = decodeKeyRoute(f.bytes, k)
		case 4<<3 | nested:
			slots, ok = packed(slots, f.bytes)
		case 4<<3 | varint:
			slots = append(slots, uint32(f.value))
		default:
			ok = rare(f.field, m)
		}
	}
	m.Keys, m.Slots = keys, slots
	return ok && !f.bad
}

func decodeKeyRoute(b []byte, m *pb.KeyRoute) bool {
	workers := m.Workers[:0]
	m.Reset()
	f := fields{rest: b}
	ok := true
	for ok && f.next() {
		switch f.tag {
		case 1<<3 | fixed64:
			m.Hash = f.value
		case 2<<3 | nested:
			m.Name = f.bytes
		case 3<<3 | nested:
			workers, ok = packed(workers, f.bytes)
		case 3<<3 | varint:
			workers = append(workers, uint32(f.value))
		default: // shares: of the few keys that are split
			ok = rare(f.field, m)
		}
	}
	m.Workers = workers
	return ok && !f.bad
}

package wire

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
)

// AppendReport appends a report, encoded as a pb.AttachRequest. Names of keys that are
// too long to send are cut.
func AppendReport(b []byte, r *reports.Report) []byte {
	b, request := begin(b, 2)
	return end(appendReport(b, r, nil), request)
}

// appendReport appends a report's content, for a packed report with its stream's packer.
func appendReport(b []byte, r *reports.Report, packer *Packer) []byte {
	b = appendCount(b, 1, r.Slide)
	for i := range r.Workers {
		b = appendWorker(b, &r.Workers[i])
	}
	for i := range r.Partitioners {
		b = appendPartitioner(b, &r.Partitioners[i], packer)
	}
	if r.Route != nil {
		b = appendRoute(b, 4, r.Route)
	}
	for i := range r.Reducers {
		n := &r.Reducers[i]
		var at int
		b, at = begin(b, 5)
		b = appendCount(b, 1, uint64(n.Index))
		b = appendDouble(b, 2, n.Busy)
		b = appendCount(b, 3, uint64(n.Keys))
		b = appendCount(b, 4, uint64(n.Pairs))
		b = end(b, at)
	}
	return b
}

// AddRoute adds a route to a report without one that AppendReport encoded.
func AddRoute(report []byte, r *policy.Route) []byte {
	body, _ := alone(report, 2)
	b, request := begin(make([]byte, 0, len(report)+sizeOf(r)+16), 2)
	return end(appendRoute(append(b, body...), 4, r), request)
}

func appendWorker(b []byte, w *reports.Worker) []byte {
	b, worker := begin(b, 2)
	b = appendCount(b, 1, uint64(w.Index))
	b = appendCount(b, 2, uint64(w.Records))
	b = appendCount(b, 3, uint64(w.Units))
	b = appendDouble(b, 4, w.Busy)
	b = appendDouble(b, 5, w.Queue)
	for _, s := range w.Realised {
		var at int
		b, at = begin(b, 6)
		b = appendFixed(b, 1, s.Hash)
		b = appendCount(b, 2, uint64(s.Count))
		b = end(b, at)
	}
	b = appendDouble(b, 7, w.CPU)
	b = appendCount(b, 8, uint64(w.Bypassed))
	b = appendCount(b, 9, uint64(w.StateKeys))
	if l := w.Latency; l != nil {
		var at int
		b, at = begin(b, 10)
		b = appendPacked(b, 1, l.Buckets)
		b = appendPacked(b, 2, l.Counts)
		b = appendCount(b, 3, uint64(l.Max))
		b = end(b, at)
	}
	if w.Times.Records > 0 {
		b = appendTimes(b, 11, &w.Times)
	}
	return end(b, worker)
}

func appendPartitioner(b []byte, p *reports.Partitioner, packer *Packer) []byte {
	b, partitioner := begin(b, 3)
	b = appendCount(b, 1, uint64(p.Index))
	b = appendCount(b, 2, uint64(p.Sent))
	b = appendDouble(b, 3, p.Offered)
	b = appendDouble(b, 4, p.Blocked)
	if packer != nil {
		b = packer.appendHot(b, p)
	} else {
		for i := range p.Hot {
			b = appendHotKey(b, &p.Hot[i])
		}
		b = appendPacked(b, 6, p.Slots)
	}
	b = appendCount(b, 7, p.RouteVersion)
	if p.RouteChanged {
		b = appendCount(b, 8, 1)
	}
	b = appendText(b, 9, p.Share)
	b = appendText(b, 10, p.Name)
	if p.Learns {
		b = appendCount(b, 11, 1)
	}
	return end(b, partitioner)
}

func appendHotKey(b []byte, k *policy.HotKey) []byte {
	b, at := begin(b, 5)
	b = appendFixed(b, 1, k.Hash)
	b = appendText(b, 2, cut(k.Name))
	b = appendCount(b, 3, uint64(k.Count))
	b = appendCount(b, 4, uint64(k.Error))
	return end(b, at)
}

// cut shortens the name of a key to what may be sent. Names are for people.
func cut(name string) string { return name[:min(len(name), maxKey)] }

// appendRoute appends a field with a route. A key on one worker needs no shares.
func appendRoute(b []byte, number protowire.Number, r *policy.Route) []byte {
	b, route := begin(b, number)
	b = appendCount(b, 1, r.Version)
	b = appendCount(b, 2, uint64(r.Workers))
	for i := range r.Keys {
		b = appendKeyRoute(b, 3, &r.Keys[i])
	}
	b = appendPacked(b, 4, r.Slots)
	return end(b, route)
}

func appendKeyRoute(b []byte, number protowire.Number, k *policy.KeyRoute) []byte {
	b, at := begin(b, number)
	b = appendFixed(b, 1, k.Hash)
	b = appendText(b, 2, cut(k.Name))
	b = appendPacked(b, 3, k.Workers)
	if len(k.Workers) > 1 {
		b = appendDoubles(b, 4, k.Shares)
	}
	return end(b, at)
}

// Decision answers one window.
type Decision struct {
	Window     uint64
	Incomplete bool
	Route      *policy.Route // nil: the one in force stays
	Base       *policy.Route // the receiver has it, and takes the route as a change of it; nil: the route is sent whole
	Busy       []float64     // of each worker; -1: missing
	Shares     [][]byte      // of each partitioner subtask; none: no subtask shared anything
	Start      uint64        // with a route
	Capacities *policy.Capacities
}

// SizeOf estimates how many bytes AppendDecision appends.
func SizeOf(d *Decision) int {
	n := 64 + 8*len(d.Busy)
	if d.Capacities != nil {
		n += 6 * len(d.Capacities.Of)
	}
	for _, s := range d.Shares {
		n += 4 + len(s)
	}
	if d.Route != nil {
		n += sizeOf(d.Route)
	}
	return n
}

// sizeOf estimates the size of an encoded route in bytes.
func sizeOf(r *policy.Route) int {
	n := 32 + 2*len(r.Slots)
	for i := range r.Keys {
		k := &r.Keys[i]
		n += 24 + len(k.Name) + 11*len(k.Workers)
	}
	return n
}

// AppendDecision appends a decision, encoded as a pb.AttachResponse.
func AppendDecision(b []byte, d *Decision) []byte {
	b, response := begin(b, 2)
	b = appendCount(b, 1, d.Window)
	if d.Incomplete {
		b = appendCount(b, 2, 1)
	}
	if d.Route != nil {
		b = appendRouteOrChange(b, 3, 7, d.Route, d.Base)
	}
	b = appendDoubles(b, 4, d.Busy)
	for _, s := range d.Shares {
		b = protowire.AppendBytes(protowire.AppendTag(b, 5, protowire.BytesType), s)
	}
	b = appendCount(b, 6, d.Start)
	if d.Capacities != nil {
		b = appendCapacities(b, d.Capacities)
	}
	return end(b, response)
}

package wire

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	pb "github.com/saspart/saspart/proto/saspart/v1"
)

// The naive twin of what package wire encodes, decodes and checks by hand: the protobuf
// library, and plain conversions between its messages and reports. It says what is
// refused, but not why.

var errRefused = fmt.Errorf("refused")

// naiveReport decodes and checks an encoded report, which came packed if there are known keys.
func naiveReport(b []byte, h *Hello, known *naiveKeys) (*reports.Report, error) {
	var m pb.Report
	if proto.Unmarshal(b, &m) != nil {
		return nil, ErrGarbage
	}
	s := &h.Shape
	r := &reports.Report{Slide: m.Slide}
	ok := known == nil || known.unpack(&m, s)
	ok = ok && len(m.Workers) <= s.Workers && len(m.Partitioners) <= s.Partitioners && len(m.Reducers) <= s.Reducers
	for _, w := range m.Workers {
		to := reports.Worker{
			Index: int(w.Index), Records: int64(w.Records), Units: int64(w.Units), Busy: min(w.Busy, 1), Queue: min(w.Queue, 1),
			CPU: min(w.Cpu, 1), Bypassed: int64(w.Bypassed), StateKeys: int64(w.StateKeys),
		}
		ok = ok && h.Workers.Has(to.Index) && between(0, maxCount, w.Records, w.Units, w.Bypassed, w.StateKeys) &&
			between(0, busiest, w.Busy, w.Queue, w.Cpu) && len(w.Realised) <= maxLists*s.KeyLimit()
		var all []uint64
		for _, n := range w.Realised {
			all = append(all, n.Count)
			to.Realised = append(to.Realised, reports.Realised{Hash: n.Hash, Count: int64(n.Count)})
		}
		ok = ok && sums(all)
		if l := w.Latency; l != nil {
			to.Latency = &reports.Latency{Buckets: l.Buckets, Max: time.Duration(min(l.MaxNs, maxLatency))}
			for _, n := range l.Counts {
				to.Latency.Counts = append(to.Latency.Counts, int64(n))
			}
			ascending := slices.IsSorted(l.Buckets) && len(slices.Compact(slices.Clone(l.Buckets))) == len(l.Buckets)
			ok = ok && ascending && sums(l.Counts) && len(l.Counts) == len(l.Buckets) && between(0, reports.LatencyBuckets-1, l.Buckets...)
		}
		if x := w.Times; x != nil {
			to.Times = policy.Times{Records: int64(x.Records), Total: time.Duration(x.TotalNs), Scatter: x.Scatter}
			ok = ok && between(0, maxCount, x.Records, x.TotalNs) && len(x.Keys) <= maxLists*s.KeyLimit() &&
				len(x.Slots) == len(x.SlotRecords) && len(x.Slots) == len(x.SlotTotalNs) && len(x.Slots) <= s.Slots &&
				sums(x.SlotRecords) && sums(x.SlotTotalNs)
			var counts, totals []uint64
			for _, k := range x.Keys {
				ok = ok && len(k.Name) <= maxKey
				to.Times.Keys = append(to.Times.Keys, policy.KeyTime{Hash: k.Hash, Name: string(k.Name), Records: int64(k.Records), Total: time.Duration(k.TotalNs)})
				counts, totals = append(counts, k.Records), append(totals, k.TotalNs)
			}
			ok = ok && sums(counts) && sums(totals)
			at := -1
			for i, gap := range x.Slots {
				at += int(gap) + 1
				ok = ok && at < s.Slots
				if ok {
					to.Times.Slots = append(to.Times.Slots, policy.SlotTime{Slot: int32(at), Records: int64(x.SlotRecords[i]), Total: time.Duration(x.SlotTotalNs[i])})
				}
			}
			ok = ok && to.Times.Validate(s.Slots) == nil
			if x.Records == 0 {
				to.Times = policy.Times{} // no record was timed
			}
		}
		r.Workers = append(r.Workers, to)
	}
	for _, p := range m.Partitioners {
		to := reports.Partitioner{
			Index: int(p.Index), Sent: int64(p.Sent), Offered: p.Offered, Blocked: min(p.Blocked, 1), RouteVersion: p.RouteVersion,
			RouteChanged: p.RouteChanged, Share: p.Share, Name: p.Partitioner, Learns: p.Learns,
		}
		ok = ok && h.Partitioners.Has(to.Index) && between(0, maxCount, p.Sent) && between(0, maxRate, p.Offered) && between(0, busiest, p.Blocked) &&
			(len(p.Slots) == 0 || len(p.Slots) == s.Slots) && sums(p.Slots) && len(p.Hot) <= maxLists*s.KeyLimit() && len(p.Share) <= maxShare &&
			(p.Partitioner == "" || checkName("", p.Partitioner) == nil)
		for _, n := range p.Slots {
			to.Slots = append(to.Slots, int64(n))
		}
		var all []uint64
		for _, k := range p.Hot {
			all = append(all, k.Count)
			to.Hot = append(to.Hot, policy.HotKey{Name: string(k.Name), Hash: k.Hash, Count: int64(k.Count), Error: int64(k.Error)})
			ok = ok && between(0, maxCount, k.Error) && len(k.Name) <= maxKey
		}
		ok = ok && sums(all)
		r.Partitioners = append(r.Partitioners, to)
	}
	for _, n := range m.Reducers {
		r.Reducers = append(r.Reducers, reports.Reducer{Index: int(n.Index), Busy: min(n.Busy, 1), Keys: int64(n.Keys), Pairs: int64(n.Pairs)})
		ok = ok && h.Reducers.Has(int(n.Index)) && between(0, busiest, n.Busy) && between(0, maxCount, n.Keys, n.Pairs)
	}
	if m.Route != nil {
		var err error
		r.Route, err = naiveRoute(m.Route, s.Workers)
		ok = ok && err == nil
	}
	if !ok {
		return nil, errRefused
	}
	return r, nil
}

// naiveKeys are the known keys of a stream.
type naiveKeys []*pb.HotKey

// unpack makes the partitioner reports of a packed report those of a plain one.
func (k *naiveKeys) unpack(m *pb.Report, s *reports.Shape) bool {
	for _, p := range m.Partitioners {
		if p.Known == 0 {
			*k = nil
		}
		print := uint64(0)
		for _, key := range *k {
			print = mark(print, key.Hash)
		}
		n := len(p.KnownKeys)
		if p.Known != print || len(p.KnownCounts) != n || len(p.KnownErrors) != 0 && len(p.KnownErrors) != n ||
			len(p.Hot)+n > maxLists*s.KeyLimit() || len(*k)+len(p.Hot) > maxKnown*s.KeyLimit() {
			return false
		}
		fresh, at := p.Hot, -1
		for i, gap := range p.KnownKeys {
			if at += int(gap) + 1; at >= len(*k) {
				return false
			}
			key := &pb.HotKey{Hash: (*k)[at].Hash, Name: (*k)[at].Name, Count: p.KnownCounts[i]}
			if len(p.KnownErrors) > 0 {
				key.Error = p.KnownErrors[i]
			}
			p.Hot = append(p.Hot[:len(p.Hot):len(p.Hot)], key)
		}
		*k = append(*k, fresh...)
		for _, key := range p.Hot {
			if !between(0, maxCount, key.Count, key.Error) {
				return false
			}
			if p.SlotsRest && len(p.Slots) == s.Slots {
				p.Slots[policy.SlotOf(key.Hash, s.Slots)] += key.Count - key.Error
			}
		}
	}
	return true
}

// between reports whether each of a list is in a range; NaN is not.
func between[T uint32 | uint64 | float64](low, high T, list ...T) bool {
	for _, v := range list {
		if !(v >= low && v <= high) {
			return false
		}
	}
	return true
}

// sums reports whether counts are in bounds together.
func sums(list []uint64) bool {
	all := uint64(0)
	for _, n := range list {
		if n > maxCount || all+n > maxCount {
			return false
		}
		all += n
	}
	return true
}

func naiveRoute(m *pb.Route, workers int) (*policy.Route, error) {
	r := &policy.Route{Version: m.Version, Workers: int(m.Workers)}
	ok := r.Workers == workers && len(m.Slots) <= 16*policy.SlotCount(workers)
	for _, w := range m.Slots {
		r.Slots = append(r.Slots, uint16(w))
		ok = ok && int(w) < workers
	}
	for _, k := range m.Keys {
		to := policy.KeyRoute{Hash: k.Hash, Name: string(k.Name), Shares: k.Shares}
		ok = ok && len(k.Name) <= maxKey
		for _, w := range k.Workers {
			to.Workers = append(to.Workers, uint16(w))
			ok = ok && int(w) < workers
		}
		if len(k.Workers) == 1 && len(k.Shares) == 0 {
			to.Shares = []float64{1}
		}
		r.Keys = append(r.Keys, to)
	}
	if !ok || r.Validate() != nil {
		return nil, errRefused
	}
	return r, nil
}

// naiveChange makes the message of a route of a change of the base.
func naiveChange(m *pb.RouteChange, base *policy.Route) (*pb.Route, error) {
	if base == nil || base.Version != m.Base {
		return nil, ErrBase
	}
	to := writeRoute(base)
	to.Version = m.Version
	if len(m.Slots) != len(m.Workers) {
		return nil, errRefused
	}
	at := -1
	for i, gap := range m.Slots {
		if at += int(gap) + 1; at >= len(to.Slots) {
			return nil, errRefused
		}
		to.Slots[at] = m.Workers[i]
	}
	changed := map[uint64]*pb.KeyRoute{}
	for _, k := range m.Keys {
		if changed[k.Hash] != nil {
			return nil, errRefused
		}
		changed[k.Hash] = k
	}
	keys := to.Keys
	to.Keys = nil
	for _, k := range keys {
		if now := changed[k.Hash]; now != nil {
			to.Keys = append(to.Keys, now)
		} else if !slices.Contains(m.Gone, k.Hash) {
			to.Keys = append(to.Keys, k)
		}
		delete(changed, k.Hash)
	}
	for _, k := range m.Keys {
		if changed[k.Hash] != nil {
			to.Keys = append(to.Keys, k)
		}
	}
	return to, nil
}

// naiveAnswer decodes an encoded decision.
func naiveAnswer(b []byte, workers int, base *policy.Route) (*Answer, error) {
	var m pb.Decision
	if proto.Unmarshal(b, &m) != nil {
		return nil, ErrGarbage
	}
	a := &Answer{Window: m.Window}
	if m.Change != nil && m.Route == nil {
		route, err := naiveChange(m.Change, base)
		if a.Err = err; err == nil {
			a.Route, a.Err = naiveRoute(route, workers)
		}
	}
	if m.Route != nil {
		a.Route, a.Err = naiveRoute(m.Route, workers)
	}
	if len(m.Capacities)+len(m.Waiting) == 0 || a.Err != nil {
		return a, nil
	}
	parts := make([]float64, len(m.Capacities))
	for i, v := range m.Capacities {
		parts[i] = float64(v)
	}
	capacities := policy.CapacitiesOf(parts)
	if len(m.Capacities) != workers || len(m.Waiting) != 0 && len(m.Waiting) != workers || capacities == nil {
		a.Err = errRefused
		return a, nil
	}
	a.Capacities = capacities
	a.Capacities.Load = min(float64(m.Load)/capacityUnit, 1)
	for _, v := range m.Waiting {
		a.Capacities.Waiting = append(a.Capacities.Waiting, float64(v))
	}
	return a, nil
}

// writeReport is the message of a report.
func writeReport(r *reports.Report) *pb.Report {
	m := &pb.Report{Slide: r.Slide}
	for _, w := range r.Workers {
		to := &pb.WorkerReport{
			Index: uint32(w.Index), Records: uint64(w.Records), Units: uint64(w.Units), Busy: w.Busy, Queue: w.Queue,
			Cpu: w.CPU, Bypassed: uint64(w.Bypassed), StateKeys: uint64(w.StateKeys),
		}
		for _, s := range w.Realised {
			to.Realised = append(to.Realised, &pb.RealisedShare{Hash: s.Hash, Count: uint64(s.Count)})
		}
		if l := w.Latency; l != nil {
			to.Latency = &pb.Latency{Buckets: l.Buckets, Counts: unsigned(l.Counts), MaxNs: uint64(l.Max)}
		}
		if w.Times.Records > 0 {
			to.Times = writeTimes(&w.Times)
		}
		m.Workers = append(m.Workers, to)
	}
	for _, p := range r.Partitioners {
		to := &pb.PartitionerReport{
			Index: uint32(p.Index), Sent: uint64(p.Sent), Offered: p.Offered, Blocked: p.Blocked, Slots: unsigned(p.Slots),
			RouteVersion: p.RouteVersion, RouteChanged: p.RouteChanged, Share: p.Share, Partitioner: p.Name, Learns: p.Learns,
		}
		for _, k := range p.Hot {
			to.Hot = append(to.Hot, &pb.HotKey{Hash: k.Hash, Name: []byte(cut(k.Name)), Count: uint64(k.Count), Error: uint64(k.Error)})
		}
		m.Partitioners = append(m.Partitioners, to)
	}
	for _, n := range r.Reducers {
		m.Reducers = append(m.Reducers, &pb.ReducerReport{Index: uint32(n.Index), Busy: n.Busy, Keys: uint64(n.Keys), Pairs: uint64(n.Pairs)})
	}
	if r.Route != nil {
		m.Route = writeRoute(r.Route)
	}
	return m
}

func writeTimes(t *policy.Times) *pb.Times {
	m := &pb.Times{Records: uint64(t.Records), TotalNs: uint64(t.Total), Scatter: t.Scatter}
	for _, k := range t.Keys {
		m.Keys = append(m.Keys, &pb.KeyTime{Hash: k.Hash, Name: []byte(cut(k.Name)), Records: uint64(k.Records), TotalNs: uint64(k.Total)})
	}
	next := int32(0)
	for _, s := range t.Slots {
		m.Slots = append(m.Slots, uint32(s.Slot-next))
		m.SlotRecords, m.SlotTotalNs = append(m.SlotRecords, uint64(s.Records)), append(m.SlotTotalNs, uint64(s.Total))
		next = s.Slot + 1
	}
	return m
}

func unsigned(list []int64) (to []uint64) {
	for _, n := range list {
		to = append(to, uint64(n))
	}
	return to
}

// writeRoute is the message of a route.
func writeRoute(r *policy.Route) *pb.Route {
	m := &pb.Route{Version: r.Version, Workers: uint32(r.Workers)}
	for _, w := range r.Slots {
		m.Slots = append(m.Slots, uint32(w))
	}
	for _, k := range r.Keys {
		to := &pb.KeyRoute{Hash: k.Hash, Name: []byte(cut(k.Name))}
		for _, w := range k.Workers {
			to.Workers = append(to.Workers, uint32(w))
		}
		if len(k.Workers) > 1 {
			to.Shares = k.Shares
		}
		m.Keys = append(m.Keys, to)
	}
	return m
}

package wire

import (
	"errors"
	"fmt"
	"time"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	pb "github.com/saspart/saspart/proto/saspart/v1"
)

// ReadReport checks a report of the stream that h began. The error names what is
// wrong with it.
func ReadReport(m *pb.Report, h *Hello) (*reports.Report, error) {
	r := &reports.Report{}
	if err := readReport(m, h, r, nil); err != nil {
		return nil, err
	}
	return r, nil
}

// readReport is ReadReport into a report whose memory is used again.
func readReport(m *pb.Report, h *Hello, r *reports.Report, names Names) error {
	if len(m.GetWorkers()) > h.Shape.Workers || len(m.GetPartitioners()) > h.Shape.Partitioners || len(m.GetReducers()) > h.Shape.Reducers {
		return fmt.Errorf("%d workers, %d partitioners and %d reducers in one report; the job has %d, %d and %d",
			len(m.GetWorkers()), len(m.GetPartitioners()), len(m.GetReducers()), h.Shape.Workers, h.Shape.Partitioners, h.Shape.Reducers)
	}
	r.Slide, r.Route = m.GetSlide(), nil
	r.Workers = sized(r.Workers, len(m.Workers))
	for i, w := range m.Workers {
		if err := readWorker(w, h, &r.Workers[i]); err != nil {
			return fmt.Errorf("worker %d: %w", w.GetIndex(), err)
		}
	}
	r.Partitioners = sized(r.Partitioners, len(m.Partitioners))
	for i, p := range m.Partitioners {
		if err := readPartitioner(p, h, &r.Partitioners[i], names); err != nil {
			return fmt.Errorf("partitioner %d: %w", p.GetIndex(), err)
		}
	}
	r.Reducers = sized(r.Reducers, len(m.Reducers))
	for i, n := range m.Reducers {
		if err := readReducer(n, h, &r.Reducers[i]); err != nil {
			return fmt.Errorf("reducer %d: %w", n.GetIndex(), err)
		}
	}
	if m.Route != nil {
		route, err := ReadRoute(m.Route, h.Shape.Workers)
		if err != nil {
			return err
		}
		r.Route = route
	}
	return nil
}

// sized is a list of n elements, in the memory of list if it suffices.
func sized[T any](list []T, n int) []T {
	if n > cap(list) {
		return append(list[:cap(list)], make([]T, n-cap(list))...)
	}
	return list[:n]
}

func readWorker(m *pb.WorkerReport, h *Hello, to *reports.Worker) error {
	if !h.Workers.Has(int(m.GetIndex())) {
		return fmt.Errorf("is none of this stream's")
	}
	if err := counts(m.Records, m.Units, m.Bypassed, m.StateKeys); err != nil {
		return err
	}
	if err := ratios(&m.Busy, &m.Queue, &m.Cpu); err != nil {
		return err
	}
	if n := len(m.Realised); n > mostLists*h.Shape.HotKeys() {
		return fmt.Errorf("%d realised shares; at most %d are possible", n, mostLists*h.Shape.HotKeys())
	}
	realised, latency := sized(to.Realised, len(m.Realised)), to.Latency
	*to = reports.Worker{Index: int(m.Index), Records: int64(m.Records), Units: int64(m.Units), Busy: m.Busy, Queue: m.Queue,
		CPU: m.Cpu, Bypassed: int64(m.Bypassed), StateKeys: int64(m.StateKeys), Realised: realised}
	var err error
	if to.Latency, err = readLatency(m.Latency, latency); err != nil {
		return err
	}
	var all total
	for i, s := range m.Realised {
		if !all.add(s.GetCount()) {
			return fmt.Errorf("%d records of one key; at most %d of all keys are possible", s.GetCount(), int64(mostCount))
		}
		to.Realised[i] = reports.Realised{Hash: s.GetHash(), Count: int64(s.GetCount())}
	}
	return nil
}

// counts refuses what is more than there can be in a slide.
func counts(list ...uint64) error {
	for _, n := range list {
		if n > mostCount {
			return fmt.Errorf("a count is %d; at most %d is possible", n, int64(mostCount))
		}
	}
	return nil
}

// readLatency makes a report's latencies of a message's, in the memory of l if that is
// not nil.
func readLatency(m *pb.Latency, l *reports.Latency) (*reports.Latency, error) {
	if m == nil {
		return nil, nil
	}
	if len(m.Buckets) != len(m.Counts) || len(m.Buckets) > reports.LatencyBuckets {
		return nil, fmt.Errorf("latency: %d buckets and %d counts; as many of both are possible, up to %d", len(m.Buckets), len(m.Counts), reports.LatencyBuckets)
	}
	if l == nil {
		l = &reports.Latency{}
	}
	*l = reports.Latency{Buckets: m.Buckets, Max: time.Duration(min(m.MaxNs, mostLatency)), Counts: sized(l.Counts, len(m.Counts))}
	var all total
	for i, b := range m.Buckets {
		if !all.add(m.Counts[i]) {
			return nil, fmt.Errorf("latency: a count is %d; at most %d in all buckets are possible", m.Counts[i], int64(mostCount))
		}
		if b >= reports.LatencyBuckets || i > 0 && b <= m.Buckets[i-1] {
			return nil, fmt.Errorf("latency: bucket %d; they must ascend and be below %d", b, reports.LatencyBuckets)
		}
		l.Counts[i] = int64(m.Counts[i])
	}
	return l, nil
}

// total is a sum of counts, which may be as large as one of them.
type total uint64

// add adds a count, and reports false if that is too much.
func (t *total) add(n uint64) bool {
	if n > mostCount || uint64(*t)+n > mostCount {
		return false
	}
	*t += total(n)
	return true
}

func readReducer(m *pb.ReducerReport, h *Hello, to *reports.Reducer) error {
	if !h.Reducers.Has(int(m.GetIndex())) {
		return fmt.Errorf("is none of this stream's")
	}
	if err := errors.Join(counts(m.Keys, m.Pairs), ratios(&m.Busy)); err != nil {
		return err
	}
	*to = reports.Reducer{Index: int(m.Index), Busy: m.Busy, Keys: int64(m.Keys), Pairs: int64(m.Pairs)}
	return nil
}

// ratios refuses what is no ratio, and takes what is a little above 1 as 1.
func ratios(list ...*float64) error {
	for _, v := range list {
		if !(*v >= 0 && *v <= busiest) {
			return fmt.Errorf("a ratio is %v; it must be from 0 to 1", *v)
		}
		*v = min(*v, 1)
	}
	return nil
}

func readPartitioner(m *pb.PartitionerReport, h *Hello, to *reports.Partitioner, names Names) error {
	if !h.Partitioners.Has(int(m.GetIndex())) {
		return fmt.Errorf("is none of this stream's")
	}
	if m.Sent > mostCount || !(m.Offered >= 0 && m.Offered <= mostRate) {
		return fmt.Errorf("%d records sent of %v due per second; at most %d and %v are possible", m.Sent, m.Offered, int64(mostCount), mostRate)
	}
	if err := ratios(&m.Blocked); err != nil {
		return err
	}
	if n := len(m.Slots); n != 0 && n != h.Shape.Slots {
		return fmt.Errorf("%d slots; the job has %d", n, h.Shape.Slots)
	}
	if n := len(m.Hot); n > mostLists*h.Shape.HotKeys() {
		return fmt.Errorf("%d hot keys; at most %d are possible", n, mostLists*h.Shape.HotKeys())
	}
	if n := len(m.Share); n > mostShare {
		return fmt.Errorf("shares %d bytes; at most %d are possible", n, mostShare)
	}
	if m.Partitioner != "" {
		if err := checkName("partitioner", m.Partitioner); err != nil {
			return err
		}
	}
	slots, hot := sized(to.Slots, len(m.Slots)), sized(to.Hot, len(m.Hot))
	*to = reports.Partitioner{
		Index: int(m.Index), Sent: int64(m.Sent), Offered: m.Offered, Blocked: m.Blocked,
		RouteVersion: m.RouteVersion, RouteChanged: m.RouteChanged, Share: m.Share, Name: m.Partitioner,
		Slots: slots, Hot: hot,
	}
	var all, named total
	for i, n := range m.Slots {
		if !all.add(n) {
			return fmt.Errorf("%d records in slot %d; at most %d in all slots are possible", n, i, int64(mostCount))
		}
		to.Slots[i] = int64(n)
	}
	for i, k := range m.Hot {
		if !named.add(k.GetCount()) || k.GetError() > mostCount || len(k.GetName()) > mostKey {
			return fmt.Errorf("hot key %d has %d records, error %d and a name of %d bytes; at most %d in all keys, as many and %d are possible",
				i, k.GetCount(), k.GetError(), len(k.GetName()), int64(mostCount), mostKey)
		}
		to.Hot[i] = policy.HotKey{Name: names.of(k.GetHash(), k.GetName()), Hash: k.GetHash(), Count: int64(k.GetCount()), Error: int64(k.GetError())}
	}
	return nil
}

// WriteReport is the message of a report. Names of keys that are too long to send are
// cut; they are for people.
func WriteReport(r *reports.Report) *pb.Report {
	m := &pb.Report{Slide: r.Slide, Workers: make([]*pb.WorkerReport, len(r.Workers)), Partitioners: make([]*pb.PartitionerReport, len(r.Partitioners))}
	workers := make([]pb.WorkerReport, len(r.Workers))
	for i := range r.Workers {
		w, to := &r.Workers[i], &workers[i]
		m.Workers[i] = to
		to.Index, to.Records, to.Units, to.Busy, to.Queue = uint32(w.Index), uint64(w.Records), uint64(w.Units), w.Busy, w.Queue
		to.Cpu, to.Bypassed, to.StateKeys, to.Latency = w.CPU, uint64(w.Bypassed), uint64(w.StateKeys), writeLatency(w.Latency)
		for _, s := range w.Realised {
			to.Realised = append(to.Realised, &pb.RealisedShare{Hash: s.Hash, Count: uint64(s.Count)})
		}
	}
	for i := range r.Partitioners {
		p := &r.Partitioners[i]
		to := &pb.PartitionerReport{
			Index: uint32(p.Index), Sent: uint64(p.Sent), Offered: p.Offered, Blocked: p.Blocked,
			RouteVersion: p.RouteVersion, RouteChanged: p.RouteChanged, Share: p.Share, Partitioner: p.Name,
			Slots: make([]uint64, len(p.Slots)), Hot: make([]*pb.HotKey, len(p.Hot)),
		}
		m.Partitioners[i] = to
		for s, n := range p.Slots {
			to.Slots[s] = uint64(n)
		}
		hot := make([]pb.HotKey, len(p.Hot))
		for j, k := range p.Hot {
			hot[j].Hash, hot[j].Name, hot[j].Count, hot[j].Error = k.Hash, []byte(k.Name[:min(len(k.Name), mostKey)]), uint64(k.Count), uint64(k.Error)
			to.Hot[j] = &hot[j]
		}
	}
	for _, n := range r.Reducers {
		m.Reducers = append(m.Reducers, &pb.ReducerReport{Index: uint32(n.Index), Busy: n.Busy, Keys: uint64(n.Keys), Pairs: uint64(n.Pairs)})
	}
	if r.Route != nil {
		m.Route = WriteRoute(r.Route)
	}
	return m
}

func writeLatency(l *reports.Latency) *pb.Latency {
	if l == nil {
		return nil
	}
	m := &pb.Latency{Buckets: l.Buckets, MaxNs: uint64(l.Max), Counts: make([]uint64, len(l.Counts))}
	for i, n := range l.Counts {
		m.Counts[i] = uint64(n)
	}
	return m
}

package wire

import (
	"errors"
	"fmt"

	"github.com/saspart/saspart/loop/reports"
)

// The following check what was decoded. A count is unsigned on the wire and signed in a
// report, so a count beyond 2^63 is negative here. Lists may have been cut at their
// bounds; the lengths that they had in the message are passed in.

var errForeign = errors.New("is not one of this stream's")

func (d *decoder) checkWorker(w *reports.Worker, realised, buckets, times int) error {
	if !d.hello.Workers.Has(w.Index) {
		return errForeign
	}
	if err := errors.Join(counts(w.Records, w.Units, w.Bypassed, w.StateKeys), ratios(&w.Busy, &w.Queue, &w.CPU)); err != nil {
		return err
	}
	if most := maxLists * d.hello.Shape.KeyLimit(); realised > most {
		return fmt.Errorf("%d realised shares; at most %d are possible", realised, most)
	}
	if w.Latency != nil {
		if err := checkLatency(w.Latency, buckets, times); err != nil {
			return err
		}
	}
	var all total
	for i := range w.Realised {
		if n := w.Realised[i].Count; !all.add(n) {
			return fmt.Errorf("%d records of one key; at most %d of all keys are possible", uint64(n), int64(maxCount))
		}
	}
	return nil
}

func checkLatency(l *reports.Latency, buckets, times int) error {
	if buckets != times || buckets > reports.LatencyBuckets {
		return fmt.Errorf("latency: %d buckets and %d counts; as many of both are possible, up to %d", buckets, times, reports.LatencyBuckets)
	}
	var all total
	for i, b := range l.Buckets {
		if !all.add(l.Counts[i]) {
			return fmt.Errorf("latency: a count is %d; at most %d in all buckets are possible", uint64(l.Counts[i]), int64(maxCount))
		}
		if b >= reports.LatencyBuckets || i > 0 && b <= l.Buckets[i-1] {
			return fmt.Errorf("latency: bucket %d; they must ascend and be below %d", b, reports.LatencyBuckets)
		}
	}
	return nil
}

func (d *decoder) checkPartitioner(p *reports.Partitioner, hot, slots, longest int, share, name []byte) error {
	s := &d.hello.Shape
	if !d.hello.Partitioners.Has(p.Index) {
		return errForeign
	}
	if uint64(p.Sent) > maxCount || !(p.Offered >= 0 && p.Offered <= maxRate) {
		return fmt.Errorf("%d records sent of %v due per second; at most %d and %v are possible", uint64(p.Sent), p.Offered, int64(maxCount), maxRate)
	}
	if err := ratios(&p.Blocked); err != nil {
		return err
	}
	if slots != 0 && slots != s.Slots {
		return fmt.Errorf("%d slots; the job has %d", slots, s.Slots)
	}
	if most := maxLists * s.KeyLimit(); hot > most {
		return fmt.Errorf("%d hot keys; at most %d are possible", hot, most)
	}
	if longest > maxKey {
		return fmt.Errorf("a hot key has a name of %d bytes; at most %d are possible", longest, maxKey)
	}
	if len(share) > maxShare {
		return fmt.Errorf("shares %d bytes; at most %d are possible", len(share), maxShare)
	}
	if len(name) > 0 {
		if err := checkName("partitioner", string(name)); err != nil {
			return err
		}
	}
	return totals(p)
}

// totals refuses counts of slots and hot keys that are too much, alone or together.
func totals(p *reports.Partitioner) error {
	var all, named total
	for i, n := range p.Slots {
		if !all.add(n) {
			return fmt.Errorf("%d records in slot %d; at most %d in all slots are possible", uint64(n), i, int64(maxCount))
		}
	}
	for i := range p.Hot {
		if k := &p.Hot[i]; !named.add(k.Count) || uint64(k.Error) > maxCount {
			return fmt.Errorf("hot key %d has %d records and error %d; at most %d in all keys and as many are possible",
				i, uint64(k.Count), uint64(k.Error), int64(maxCount))
		}
	}
	return nil
}

func (d *decoder) checkReducer(n *reports.Reducer) error {
	if !d.hello.Reducers.Has(n.Index) {
		return errForeign
	}
	return errors.Join(counts(n.Keys, n.Pairs), ratios(&n.Busy))
}

// counts refuses more than one slide can have.
func counts(list ...int64) error {
	for _, n := range list {
		if uint64(n) > maxCount {
			return fmt.Errorf("a count is %d; at most %d is possible", uint64(n), int64(maxCount))
		}
	}
	return nil
}

// ratios refuses values outside 0 to 1, but sets those up to busiest to 1.
func ratios(list ...*float64) error {
	for _, v := range list {
		if !(*v >= 0 && *v <= busiest) {
			return fmt.Errorf("a ratio is %v; it must be from 0 to 1", *v)
		}
		*v = min(*v, 1)
	}
	return nil
}

// total is a sum of counts, which has the same bound as one count.
type total uint64

// add adds a count, and reports false if that is too much.
func (t *total) add(n int64) bool {
	if uint64(n) > maxCount || uint64(*t)+uint64(n) > maxCount {
		return false
	}
	*t += total(n)
	return true
}

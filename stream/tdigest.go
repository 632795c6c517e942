package stream

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strconv"

	tdigest "github.com/caio/go-tdigest/v4"
)

// tdigestTask is the task that summarises the distribution of each key's values
// (docs/algorithms.md, "The pipeline"). It uses the t-digest of Dunning and Ertl (Computing
// Extremely Accurate Quantiles Using t-Digests, 2019) as caio/go-tdigest implements it.
//
// Two states of the same records are equal in number of records and values, minimum, maximum
// and sum, however the records were split over partial states and ordered (AppendExact shows
// these). Quantiles are exact up to exactValues values. Beyond that they are estimates. At
// the default compression their rank errs by some tenths of a percent in the middle and by
// less towards the ends. The same sequence of calls gives the same bytes.
type tdigestTask struct{ cfg TaskConfig }

// Name implements Task.
func (t tdigestTask) Name() string { return TaskTDigest }

// NewState implements Task.
func (t tdigestTask) NewState() State {
	s := &tdigestState{cfg: t.cfg}
	s.Reset()
	return s
}

// Units implements Task: the values of the list.
func (t tdigestTask) Units(r *Record) int { return len(r.Values) }

// exactValues is how many values a state keeps as they are before it starts a digest. A digest
// takes at least 3 kB, and most keys of a skewed stream have fewer values in a pane.
const exactValues = 128

// tdigestState summarises finite values.
type tdigestState struct {
	cfg      TaskConfig
	records  int64
	values   int64
	min, max float64
	sum      doubled
	few      []float64        // all values, in order of arrival, while values <= exactValues
	digest   *tdigest.TDigest // all values after that; nil until needed for the first time
	rng      digestRNG
}

// Add implements State.
func (s *tdigestState) Add(r *Record) {
	s.records++
	for _, v := range r.Values {
		s.values++
		s.min, s.max = min(s.min, v), max(s.max, v)
		s.sum.add(v)
		if s.values <= exactValues {
			s.few = append(s.few, v)
			continue
		}
		s.spill()
		s.into(v)
	}
}

// Merge implements State.
func (s *tdigestState) Merge(other State) {
	o := other.(*tdigestState)
	s.records += o.records
	s.values += o.values
	s.min, s.max = min(s.min, o.min), max(s.max, o.max)
	s.sum.add(o.sum.hi)
	s.sum.add(o.sum.lo)
	if s.values <= exactValues {
		s.few = append(s.few, o.few...)
		return
	}
	s.spill()
	if o.values <= exactValues {
		for _, v := range o.few {
			s.into(v)
		}
		return
	}
	// Merge draws the order of the centroids from the receiver's generator and
	// fails only where into does.
	if err := s.digest.Merge(o.digest); err != nil {
		panic("stream: merging t-digests: " + err.Error())
	}
}

// spill moves the values kept so far into the digest.
func (s *tdigestState) spill() {
	if s.digest == nil {
		d, err := tdigest.New(tdigest.Compression(s.cfg.Compression), tdigest.RandomNumberGenerator(&s.rng))
		if err != nil {
			panic("stream: " + err.Error()) // TaskConfig.Validate bounds the compression
		}
		s.digest = d
	}
	for _, v := range s.few {
		s.into(v)
	}
	s.few = s.few[:0]
}

// into adds a value to the digest, which refuses only NaN; sources never make that.
func (s *tdigestState) into(v float64) {
	if err := s.digest.Add(v); err != nil {
		panic("stream: adding to a t-digest: " + err.Error())
	}
}

// Reset implements State. Memory is kept; the generator starts again, so that a state that
// was reset equals a new one.
func (s *tdigestState) Reset() {
	s.records, s.values, s.sum, s.few = 0, 0, doubled{}, s.few[:0]
	s.min, s.max = math.Inf(1), math.Inf(-1)
	if s.digest != nil {
		s.digest.Reset()
	}
	s.rng.Seed(forValues, 0)
}

// Count implements State.
func (s *tdigestState) Count() int64 { return s.records }

// Size implements State: values while they are kept, centroids after that.
func (s *tdigestState) Size() int {
	if s.values <= exactValues {
		return len(s.few)
	}
	n := 0
	s.digest.ForEachCentroid(func(float64, uint64) bool { n++; return true })
	return n
}

// Bytes implements State: 8 for a value, 16 for a centroid.
func (s *tdigestState) Bytes() int {
	if s.values <= exactValues {
		return 8 * len(s.few)
	}
	return 16 * s.Size()
}

// AppendText renders the summary and the configured quantiles:
// "2 records: values=3 min=1 max=4 sum=7 p50=2".
func (s *tdigestState) AppendText(dst []byte) []byte {
	dst = s.appendExact(dst)
	if s.values == 0 {
		return dst
	}
	sorted := s.few
	if s.values <= exactValues {
		sorted = slices.Sorted(slices.Values(s.few))
	}
	for _, q := range s.cfg.Quantiles {
		dst = append(dst, " p"...)
		dst = strconv.AppendFloat(dst, 100*q, 'g', 6, 64)
		dst = append(dst, '=')
		dst = strconv.AppendFloat(dst, s.quantile(q, sorted), 'g', 9, 64)
	}
	return dst
}

// appendExact renders everything that does not depend on the order of merging.
func (s *tdigestState) appendExact(dst []byte) []byte {
	dst = strconv.AppendInt(dst, s.records, 10)
	dst = append(dst, " records: values="...)
	dst = strconv.AppendInt(dst, s.values, 10)
	if s.values == 0 {
		return dst
	}
	for _, f := range []struct {
		label string
		value float64
	}{{" min=", s.min}, {" max=", s.max}, {" sum=", s.sum.value()}} {
		dst = append(dst, f.label...)
		dst = strconv.AppendFloat(dst, f.value+0, 'g', -1, 64) // +0: no negative zero, which compares equal
	}
	return dst
}

// quantile is the value below which a share q of the values lies, interpolated
// between neighbours. sorted holds the values while they are kept.
func (s *tdigestState) quantile(q float64, sorted []float64) float64 {
	if s.values > exactValues {
		return min(max(s.digest.Quantile(q), s.min), s.max)
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	share := at - float64(i)
	return sorted[i]*(1-share) + sorted[i+1]*share
}

// doubled is a sum in twice the precision of a float64 (Knuth's two-sum), so that its value
// does not depend on the order of the terms.
type doubled struct{ hi, lo float64 }

func (d *doubled) add(v float64) {
	sum := d.hi + v
	part := sum - d.hi
	rest := (d.hi - (sum - part)) + (v - part) + d.lo
	d.hi = sum + rest
	d.lo = rest - (d.hi - sum)
}

func (d *doubled) value() float64 { return d.hi + d.lo }

// digestRNG adapts a PCG to the interface of the t-digest.
type digestRNG struct{ rand.PCG }

// Float32 is uniform in [0, 1).
func (r *digestRNG) Float32() float32 { return float32(r.Uint64()>>40) * 0x1p-24 }

// Intn is uniform in [0, n).
func (r *digestRNG) Intn(n int) int {
	hi, _ := bits.Mul64(r.Uint64(), uint64(n))
	return int(hi)
}

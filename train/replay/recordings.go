package replay

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/train/recording"
)

// Recordings stores the newest windows of running jobs, for a trainer that learns from
// stretches of them (capacity.RecurrentSACN). Each job's windows are kept in order, in segments.
// If there are too many windows, the oldest segment is dropped. Recordings implements
// recording.Stretches and draws uniformly: the error of a recurrent policy in a window
// depends on earlier windows, so windows have no priorities of their own. It must not be
// used concurrently.
type Recordings struct {
	workers, capacity int
	p0                float64
	segments          []segment // oldest first
	windows           int
}

// segment is a sequence of consecutive windows of one job.
type segment struct {
	job       int
	open      bool // it grows
	recording *recording.Recording
}

// segmentWindows is the length of a full segment.
const segmentWindows = 256

// NewRecordings returns a store for capacity windows, and up to one segment more, of jobs
// with the given number of workers. p0 is the performance that earns reward 0.
func NewRecordings(capacity, workers int, p0 float64) *Recordings {
	return &Recordings{workers: workers, capacity: capacity, p0: p0}
}

// Windows is the number of windows stored.
func (r *Recordings) Windows() int { return r.windows }

// Add stores a window of a job. It must follow the job's last one, unless Cut was called.
func (r *Recordings) Add(job int, w *policy.Window) error {
	s := r.growing(job)
	if s == nil {
		r.segments = append(r.segments, segment{job, true, recording.New(r.workers, r.p0)})
		s = &r.segments[len(r.segments)-1]
	}
	if err := s.recording.Add(w); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	r.windows++
	s.open = s.recording.Windows() < segmentWindows
	for first := &r.segments[0]; r.windows > r.capacity && !first.open; first = &r.segments[0] {
		r.windows -= first.recording.Windows()
		copy(r.segments, r.segments[1:])
		r.segments[len(r.segments)-1] = segment{}
		r.segments = r.segments[:len(r.segments)-1]
	}
	return nil
}

// growing is the segment that a job's next window belongs to; nil: a new one must begin.
func (r *Recordings) growing(job int) *segment {
	for i := range r.segments {
		if s := &r.segments[i]; s.open && s.job == job {
			return s
		}
	}
	return nil
}

// Cut ends the segment of a job: its next window does not follow the last one.
func (r *Recordings) Cut(job int) {
	if s := r.growing(job); s != nil {
		s.open = false
	}
}

// Longest is the length of the longest segment.
func (r *Recordings) Longest() int {
	most := 0
	for _, s := range r.segments {
		most = max(most, s.recording.Windows())
	}
	return most
}

// Sample implements recording.Stretches.
func (r *Recordings) Sample(rng *rand.Rand, length int, count func(workers int) int) ([]recording.Stretch, error) {
	all := make(recording.Recordings, len(r.segments))
	for i, s := range r.segments {
		all[i] = s.recording
	}
	return all.Sample(rng, length, count)
}

// metaSegments is the metadata that describes the segments, as JSON. The file has a record
// batch for each segment, and a row for each window.
const metaSegments = "saspart.replay.segments"

// segmentInfo describes a segment in the file.
type segmentInfo struct {
	Job  int  `json:"job"`
	Open bool `json:"open"`
}

func (r *Recordings) schema(md *arrow.Metadata) *arrow.Schema {
	list := arrow.FixedSizeListOfNonNullable(int32(r.workers), arrow.PrimitiveTypes.Float32)
	return arrow.NewSchema([]arrow.Field{
		{Name: "counts", Type: list}, {Name: "busy", Type: list}, {Name: "queue", Type: list},
		{Name: "seconds", Type: arrow.PrimitiveTypes.Float32}, {Name: "mixed", Type: arrow.PrimitiveTypes.Float32},
	}, md)
}

// Write writes all windows to w, as an Arrow IPC file.
func (r *Recordings) Write(w io.WriteSeeker) error {
	segments := make([]segmentInfo, len(r.segments))
	for i, s := range r.segments {
		segments[i] = segmentInfo{s.job, s.open}
	}
	text, err := json.Marshal(segments)
	if err != nil {
		return fmt.Errorf("write replay: %w", err)
	}
	md := arrow.NewMetadata([]string{metaVersion, metaSegments}, []string{version, string(text)})
	schema := r.schema(&md)
	return writeFile(w, schema, func(yield func(arrow.Record) bool) {
		for _, s := range r.segments {
			if !yield(s.record(schema)) {
				return
			}
		}
	})
}

func (s segment) record(schema *arrow.Schema) arrow.Record {
	raw := &s.recording.Raw
	mixed := make([]float32, raw.Windows)
	for i, m := range raw.Mixed {
		if m {
			mixed[i] = 1
		}
	}
	var columns []arrow.Array
	for i, v := range [][]float32{raw.Counts, raw.Busy, raw.Queue} {
		columns = append(columns, lists(schema.Field(i).Type, raw.Windows, v))
	}
	for _, v := range [][]float32{raw.Seconds, mixed} {
		columns = append(columns, array.MakeFromData(floats(v)))
	}
	return array.NewRecord(schema, columns, int64(raw.Windows))
}

// floats and lists are Arrow's views of float32 numbers: as one array, and as n lists.
func floats(v []float32) arrow.ArrayData {
	data := memory.NewBufferBytes(arrow.Float32Traits.CastToBytes(v))
	return array.NewData(arrow.PrimitiveTypes.Float32, len(v), []*memory.Buffer{nil, data}, nil, 0, 0)
}

func lists(of arrow.DataType, n int, v []float32) arrow.Array {
	return array.MakeFromData(array.NewData(of, n, []*memory.Buffer{nil}, []arrow.ArrayData{floats(v)}, 0, 0))
}

// ReadRecordings returns the recordings that Write has written.
func ReadRecordings(data []byte, capacity, workers int, p0 float64) (*Recordings, error) {
	r := NewRecordings(capacity, workers, p0)
	var segments []segmentInfo
	err := readFile(data, r.schema(nil), segmentWindows, func(md arrow.Metadata) error {
		if v, _ := md.GetValue(metaVersion); v != version {
			return fmt.Errorf("it is of another format than %s", version)
		}
		text, ok := md.GetValue(metaSegments)
		if !ok {
			return nil
		}
		if err := json.Unmarshal([]byte(text), &segments); err != nil {
			return fmt.Errorf("segments: %w", err)
		}
		return nil
	}, func(rec arrow.Record) error {
		if len(r.segments) == len(segments) {
			return fmt.Errorf("more than %d record batches, the number of segments", len(segments))
		}
		return r.add(segments[len(r.segments)], rec)
	})
	switch {
	case err != nil:
		return nil, err
	case len(r.segments) < len(segments):
		return nil, fmt.Errorf("read replay: %d segments in %d record batches", len(segments), len(r.segments))
	}
	return r, nil
}

// add adds the segment that a record batch has.
func (r *Recordings) add(k segmentInfo, rec arrow.Record) error {
	n := int(rec.NumRows())
	matrix := func(i int) []float32 {
		v := rec.Column(i).(*array.FixedSizeList).ListValues().(*array.Float32).Float32Values()
		return append([]float32(nil), v[:n*r.workers]...) // panics where there are fewer
	}
	s := &dataset.Sequence{Workers: r.workers, Windows: n, Counts: matrix(0), Busy: matrix(1), Queue: matrix(2)}
	s.Seconds = append(s.Seconds, rec.Column(3).(*array.Float32).Float32Values()[:n]...)
	for _, m := range rec.Column(4).(*array.Float32).Float32Values()[:n] {
		s.Mixed = append(s.Mixed, m != 0)
	}
	recording, err := recording.Of(s, r.p0)
	if err != nil {
		return err
	}
	r.segments = append(r.segments, segment{k.Job, k.Open, recording})
	r.windows += n
	return nil
}

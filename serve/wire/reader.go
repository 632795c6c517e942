package wire

import (
	"errors"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	pb "github.com/saspart/saspart/proto/saspart/v1"
)

// ErrGarbage means that a message breaks the encoding.
var ErrGarbage = errors.New("a message cannot be read")

// ErrNoReport means that a message is not a report.
var ErrNoReport = errors.New("neither a report nor anything else that is known came after the hello")

// Names holds the names of a stream's hot keys, so that a key that is reported again and
// again has one name in memory. It is a cache by hash: a key replaces the key before it in
// the same place.
type Names []string

// NewNames returns a cache that is large enough for a number of keys.
func NewNames(keys int) Names {
	n := 1
	for n < 2*keys {
		n *= 2
	}
	return make(Names, n)
}

// of returns the name of a key as a string.
func (n Names) of(hash uint64, name []byte) string {
	if len(n) == 0 {
		return string(name)
	}
	at := &n[hash&uint64(len(n)-1)]
	if *at != string(name) {
		*at = string(name)
	}
	return *at
}

// reading is memory to decode reports in.
type reading struct {
	decoder
	report reports.Report
	read   int // bytes decoded in it
}

// maxRead is how many bytes are decoded in the same memory. Each worker and partitioner
// keeps the longest lists that it ever had. Memory that was used forever would grow with
// the sum of all reports, not with the largest.
const maxRead = 1 << 20

var readings = sync.Pool{New: func() any { return new(reading) }}

// done returns the memory to the pool, unless enough was decoded in it.
func (r *reading) done(request []byte) {
	r.decoder = decoder{}
	if r.read += len(request); r.read < maxRead {
		readings.Put(r)
	}
}

// TakeReport decodes the report in an encoded pb.AttachRequest and checks it against the
// hello of its stream. Then it calls take with the report. take may keep the report's
// route and what partitioners share, but no other list. TakeReport returns the report's
// slide and ErrGarbage, ErrNoReport, an error about a value in the report, or the error of
// take.
func TakeReport(request []byte, h *Hello, names Names, take func(*reports.Report) error) (slide uint64, err error) {
	body, ok := reportIn(request)
	if !ok {
		if body, err = oddReport(request); err != nil {
			return 0, err
		}
	}
	r := readings.Get().(*reading)
	defer r.done(request)
	r.decoder = decoder{hello: h, names: names}
	if !r.decodeReport(body, &r.report) {
		return 0, ErrGarbage
	}
	if r.err != nil {
		return r.report.Slide, r.err
	}
	return r.report.Slide, take(&r.report)
}

// reportIn is the encoded report of an encoded pb.AttachRequest that holds nothing else.
func reportIn(request []byte) ([]byte, bool) { return alone(request, 2) }

// oddReport is the encoded report of a request that holds other fields too.
func oddReport(request []byte) ([]byte, error) {
	var m pb.AttachRequest
	if proto.Unmarshal(request, &m) != nil {
		return nil, ErrGarbage
	}
	if m.GetReport() == nil {
		return nil, ErrNoReport
	}
	return proto.Marshal(m.GetReport())
}

// alone is the content of a nested message if there are no other fields.
func alone(b []byte, number uint64) ([]byte, bool) {
	f := fields{rest: b}
	ok := f.next() && f.tag == number<<3|nested && len(f.rest) == 0
	return f.bytes, ok
}

// Answer is what a client needs of a decision.
type Answer struct {
	Window uint64
	Route  *policy.Route // to follow; nil: the one in force
	Err    error         // why the decision's route cannot be followed; nil: it can, or there is none
}

// ReadResponse decodes an encoded pb.AttachResponse for a job of P workers. It returns an
// answer if the response is a decision, and otherwise the message.
func ReadResponse(response []byte, workers int) (*Answer, *pb.AttachResponse, error) {
	body, ok := alone(response, 2)
	if !ok {
		m := &pb.AttachResponse{}
		if proto.Unmarshal(response, m) != nil {
			return nil, nil, ErrGarbage
		}
		if m.GetDecision() == nil {
			return nil, m, nil
		}
		var err error
		if body, err = proto.Marshal(m.GetDecision()); err != nil {
			return nil, nil, err
		}
	}
	a, ok := decodeAnswer(body, workers)
	if !ok {
		return nil, nil, ErrGarbage
	}
	return a, nil, nil
}

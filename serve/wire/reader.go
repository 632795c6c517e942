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
func (r *reading) done(report []byte) {
	r.decoder = decoder{compact: r.compact, times: r.times}
	if r.read += len(report); r.read < maxRead {
		readings.Put(r)
	}
}

// TakeReport decodes the report in an encoded pb.AttachRequest and checks it against the
// hello of its stream. Then it calls take with the report. take may keep the report's
// route and what partitioners share, but no other list. TakeReport returns the report's
// slide and ErrGarbage, ErrNoReport, an error about a value in the report, or the error of
// take. Without the stream's keys no packed reports are accepted.
func TakeReport(request []byte, h *Hello, keys *Keys, take func(*reports.Report) error) (slide uint64, err error) {
	body, packed, err := reportIn(request)
	if err != nil {
		return 0, err
	}
	if packed {
		if keys == nil {
			return 0, errors.New("the report is packed, which the welcome does not allow")
		}
		f := inflaters.Get().(*inflater)
		defer f.done()
		if body, packed = f.inflate(body, keys.most); !packed {
			return 0, ErrGarbage
		}
	}
	r := readings.Get().(*reading)
	defer r.done(body)
	r.decoder = decoder{hello: h, keys: keys, packed: packed, compact: r.compact, times: r.times}
	if !r.decodeReport(body, &r.report) {
		return 0, ErrGarbage
	}
	if r.err != nil {
		return r.report.Slide, r.err
	}
	return r.report.Slide, take(&r.report)
}

// reportIn returns the encoded report of an encoded pb.AttachRequest, and whether it is
// packed.
func reportIn(request []byte) (body []byte, packed bool, err error) {
	if body, ok := alone(request, 2); ok {
		return body, false, nil
	}
	if body, ok := alone(request, 3); ok {
		return body, true, nil
	}
	var m pb.AttachRequest // with other fields
	if proto.Unmarshal(request, &m) != nil {
		return nil, false, ErrGarbage
	}
	switch of := m.GetMessage().(type) {
	case *pb.AttachRequest_Report:
		body, err = proto.Marshal(of.Report)
		return body, false, err
	case *pb.AttachRequest_Packed:
		return of.Packed, true, nil
	}
	return nil, false, ErrNoReport
}

// alone is the content of a nested message if there are no other fields.
func alone(b []byte, number uint64) ([]byte, bool) {
	f := fields{rest: b}
	ok := f.next() && f.tag == number<<3|nested && len(f.rest) == 0
	return f.bytes, ok
}

// Answer is what a client needs of a decision.
type Answer struct {
	Window     uint64
	Route      *policy.Route      // to follow; nil: the one in force
	Capacities *policy.Capacities // to keep the workers within; nil: as before
	Err        error              // why the decision cannot be followed; nil: it can
}

// ErrBase means that a decision changes a route that the client does not have. A client that
// attaches anew gets a whole route.
var ErrBase = errors.New("a decision changes a route that did not come on this stream")

// ReadResponse decodes an encoded pb.AttachResponse for a job of P workers. It returns an
// answer if the response is a decision, and otherwise the message. base is the last route
// that ReadResponse returned of this stream; nil: none. A packed decision may unpack to most
// bytes.
func ReadResponse(response []byte, workers int, base *policy.Route, most int) (*Answer, *pb.AttachResponse, error) {
	body, ok := alone(response, 2)
	packed, isPacked := alone(response, 5)
	if !ok && !isPacked {
		m := &pb.AttachResponse{}
		if proto.Unmarshal(response, m) != nil {
			return nil, nil, ErrGarbage
		}
		switch of := m.GetMessage().(type) {
		case *pb.AttachResponse_Packed:
			packed, isPacked = of.Packed, true
		case *pb.AttachResponse_Decision:
			var err error
			if body, err = proto.Marshal(of.Decision); err != nil {
				return nil, nil, err
			}
		default:
			return nil, m, nil
		}
	}
	if isPacked {
		f := inflaters.Get().(*inflater)
		defer f.done()
		if body, ok = f.inflate(packed, most); !ok {
			return nil, nil, ErrGarbage
		}
	}
	a, ok := decodeAnswer(body, workers, base)
	switch {
	case !ok:
		return nil, nil, ErrGarbage
	case a.Err == ErrBase:
		return nil, nil, ErrBase
	}
	return a, nil, nil
}

package wire

import (
	"errors"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	pb "github.com/saspart/saspart/proto/saspart/v1"
)

// ErrGarbage says that what came is no message of the protocol.
var ErrGarbage = errors.New("a message cannot be read")

// ErrNoReport says that what came is a message, but no report.
var ErrNoReport = errors.New("neither a report nor anything else that is known came after the hello")

// Names are the names of a stream's hot keys, so that a key that is reported again and
// again has one name in memory. Of keys that get in each other's way it has the later.
type Names []string

// NewNames has room for the names of so many keys.
func NewNames(keys int) Names {
	n := 1
	for n < 2*keys {
		n *= 2
	}
	return make(Names, n)
}

// of is the name as a string.
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
	message pb.Report
	report  reports.Report
	read    int // bytes that were decoded in it
}

// mostRead is how many bytes are decoded in the same memory. Each element of a list of
// lists keeps the most that was ever in it, so that memory which is used for ever grows
// with what all reports together held, and not with the largest.
const mostRead = 1 << 20

// done gives the memory to others, unless it has been used enough or by something that
// was no report, and may be of any size.
func (r *reading) done(request []byte, good bool) {
	if r.read += len(request); good && r.read < mostRead {
		readings.Put(r)
	}
}

var readings = sync.Pool{New: func() any { return new(reading) }}

// TakeReport decodes and checks the report in an encoded pb.AttachRequest of the stream
// that h began, and has take take it in, which must not keep its lists. Other errors
// than ErrGarbage, ErrNoReport and take's tell what is wrong with the report, of the
// slide that is returned.
func TakeReport(request []byte, h *Hello, names Names, take func(*reports.Report) error) (slide uint64, err error) {
	r, good := readings.Get().(*reading), false
	defer func() { r.done(request, good) }()
	m := &r.message
	if body, ok := reportIn(request); !ok {
		var whole pb.AttachRequest
		if proto.Unmarshal(request, &whole) != nil {
			return 0, ErrGarbage
		}
		if m = whole.GetReport(); m == nil {
			return 0, ErrNoReport
		}
	} else if !decodeReport(body, m) {
		return 0, ErrGarbage
	}
	if err := readReport(m, h, &r.report, names); err != nil {
		return m.Slide, err
	}
	good = true
	return m.Slide, take(&r.report)
}

// answering is memory to decode decisions in.
type answering struct {
	decision pb.Decision
	route    pb.Route
}

var answerings = sync.Pool{New: func() any { return new(answering) }}

// Answer is what a client does by a decision.
type Answer struct {
	Window uint64
	Route  *policy.Route // to follow; nil: the one in force
	Err    error         // why the decision's route cannot be followed; nil: it can, or there is none
}

// ReadResponse decodes an encoded pb.AttachResponse for a job of P workers: either into
// an answer, or, with nil for that, into the message.
func ReadResponse(response []byte, workers int) (*Answer, *pb.AttachResponse, error) {
	body, ok := decisionIn(response)
	if !ok {
		m := &pb.AttachResponse{}
		if proto.Unmarshal(response, m) != nil {
			return nil, nil, ErrGarbage
		}
		if d := m.GetDecision(); d != nil {
			return answer(d, workers), nil, nil
		}
		return nil, m, nil
	}
	r := answerings.Get().(*answering)
	defer answerings.Put(r)
	if !decodeDecision(body, &r.decision, &r.route) {
		return nil, nil, ErrGarbage
	}
	return answer(&r.decision, workers), nil, nil
}

func answer(d *pb.Decision, workers int) *Answer {
	a := &Answer{Window: d.GetWindow()}
	if d.Route != nil {
		a.Route, a.Err = ReadRoute(d.Route, workers)
	}
	return a
}

// Package wire encodes and decodes the messages between a job and the policy server
// (proto/saspart/v1). The decoder turns the bytes of a message into the types of packages
// reports and policy. It does not trust the sender: it checks sizes before it allocates,
// and every index and number before anyone uses it.
package wire

import (
	"fmt"
	"math"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/saspart/saspart/loop/reports"
	pb "github.com/saspart/saspart/proto/saspart/v1"
)

// Protocol is the version of the protocol that this package speaks.
const Protocol = 1

// Bounds of the values in a message.
const (
	maxName     = 200     // bytes of a job's name, an instance, a client
	maxKey      = 1 << 10 // bytes of a key's name
	maxCount    = 1 << 42 // records in a slide; the sum over a window of up to 2^20 reports fits in an int64
	maxShare    = 1 << 20 // bytes that a partitioner subtask may share
	maxRate     = 1e15    // records/s
	maxLatency  = 1 << 45 // ns
	maxSubtasks = 64      // ranges in a hello
	maxLists    = 4       // hot keys in a report, as a multiple of those that a window names
	busiest     = 2       // ratios may exceed 1 because clocks differ; they count as 1
)

// Hello is the first message of a stream.
type Hello struct {
	Client, Job, Instance string
	Shape                 reports.Shape
	Workers, Partitioners Ranges // the subtasks that report on the stream
	Reducers              Ranges
	Compact               bool // decisions may have a change in place of a route, and leave out busy ratios
}

// HotKeys is how many keys a window of the stream's job names, or 0 if the stream has no
// partitioners.
func (h *Hello) HotKeys() int {
	n := 0
	for _, r := range h.Partitioners {
		n += r.Count
	}
	return min(n, 1) * h.Shape.KeyLimit()
}

// Ranges is a set of indices.
type Ranges []Range

// Range is the indices from First to First+Count-1.
type Range struct{ First, Count int }

// Has reports whether i is in the set.
func (r Ranges) Has(i int) bool {
	for _, s := range r {
		if i >= s.First && i-s.First < s.Count {
			return true
		}
	}
	return false
}

// Each calls f with each index.
func (r Ranges) Each(f func(i int)) {
	for _, s := range r {
		for i := s.First; i < s.First+s.Count; i++ {
			f(i)
		}
	}
}

// ReadHello converts and checks the first message of a stream, except for its route.
func ReadHello(m *pb.Hello) (*Hello, error) {
	if m.GetProtocol() != Protocol {
		return nil, fmt.Errorf("protocol %d is not spoken here, only %d: use a client of this version", m.GetProtocol(), Protocol)
	}
	for _, name := range []struct{ what, text string }{{"job", m.GetJob()}, {"instance", m.GetInstance()}} {
		if err := checkName(name.what, name.text); err != nil {
			return nil, err
		}
	}
	if len(m.GetClient()) > maxName || !printable(m.GetClient()) {
		return nil, fmt.Errorf("client: must be up to %d bytes of printable text", maxName)
	}
	s := m.GetShape()
	h := &Hello{Client: m.GetClient(), Job: m.GetJob(), Instance: m.GetInstance(), Compact: m.GetCompact()}
	h.Shape = reports.Shape{
		Workers: int(s.GetWorkers()), Partitioners: int(s.GetPartitioners()), Slots: int(s.GetSlots()), Slides: int(s.GetSlides()),
		Reducers: int(s.GetReducers()), Queue: int(s.GetQueue()), Named: int(s.GetHotKeys()),
		Slide: time.Duration(min(s.GetSlideNs(), math.MaxInt64)),
	}
	if err := h.Shape.Validate(); err != nil {
		return nil, fmt.Errorf("shape: %w", err)
	}
	if n := len(m.GetSubtasks()); n < 1 || n > maxSubtasks {
		return nil, fmt.Errorf("subtasks: %d ranges; from 1 to %d are possible", n, maxSubtasks)
	}
	for _, r := range m.GetSubtasks() {
		to, of := &h.Workers, h.Shape.Workers
		switch r.GetRole() {
		case pb.Role_ROLE_WORKER:
		case pb.Role_ROLE_PARTITIONER:
			to, of = &h.Partitioners, h.Shape.Partitioners
		case pb.Role_ROLE_REDUCER:
			to, of = &h.Reducers, h.Shape.Reducers
		default:
			return nil, fmt.Errorf("subtasks: role %v is unknown", r.GetRole())
		}
		first, count := int(r.GetFirst()), int(r.GetCount())
		if count < 1 || first+count > of {
			return nil, fmt.Errorf("subtasks: %d from %d on; the job has %d with %v", count, first, of, r.GetRole())
		}
		*to = append(*to, Range{first, count})
	}
	return h, nil
}

func checkName(what, text string) error {
	if text == "" || len(text) > maxName || !printable(text) {
		return fmt.Errorf("%s: must be 1 to %d bytes of printable text", what, maxName)
	}
	return nil
}

// printable reports whether text is safe to show and to log.
func printable(text string) bool {
	if !utf8.ValidString(text) {
		return false
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// WriteHello converts a hello to a message, without a route.
func WriteHello(h *Hello) *pb.Hello {
	m := &pb.Hello{
		Protocol: Protocol, Client: h.Client, Job: h.Job, Instance: h.Instance, Compact: h.Compact,
		Shape: &pb.Shape{
			Workers: uint32(h.Shape.Workers), Partitioners: uint32(h.Shape.Partitioners), Slots: uint32(h.Shape.Slots),
			Slides: uint32(h.Shape.Slides), SlideNs: uint64(h.Shape.Slide), Reducers: uint32(h.Shape.Reducers), Queue: uint32(h.Shape.Queue), HotKeys: uint32(h.Shape.Named),
		},
	}
	for _, of := range []struct {
		role   pb.Role
		ranges Ranges
	}{{pb.Role_ROLE_PARTITIONER, h.Partitioners}, {pb.Role_ROLE_WORKER, h.Workers}, {pb.Role_ROLE_REDUCER, h.Reducers}} {
		for _, r := range of.ranges {
			m.Subtasks = append(m.Subtasks, &pb.Subtasks{Role: of.role, First: uint32(r.First), Count: uint32(r.Count)})
		}
	}
	return m
}

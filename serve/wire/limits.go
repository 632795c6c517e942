// Package wire turns the messages of proto/saspart/v1 into what packages policy and
// reports work with, and back. Nothing that comes in is trusted: sizes, indices and
// amounts are checked before anything is made of them.
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

// Bounds of what a message may say.
const (
	mostName     = 200     // bytes of a job's name, an instance, a client
	mostKey      = 1 << 10 // bytes of a key's name
	mostCount    = 1 << 42 // records in a slide: those of a window, which has up to 2^20 reports, can be added up
	mostShare    = 1 << 20 // bytes of what a partitioner has learned
	mostRate     = 1e15    // records/s
	mostLatency  = 1 << 45 // ns
	mostSubtasks = 64      // ranges in a hello
	mostLists    = 4       // hot keys of a report over those that a window names
	busiest      = 2       // ratios may exceed 1 by what clocks differ; they count as 1
)

// Hello is the beginning of a stream.
type Hello struct {
	Client, Job, Instance string
	Shape                 reports.Shape
	Workers, Partitioners Ranges // what the stream reports about
	Reducers              Ranges
}

// HotKeys is how many keys a report of the stream may name, at most.
func (h *Hello) HotKeys() int {
	n := 0
	for _, r := range h.Partitioners {
		n += r.Count
	}
	return min(n, 1) * h.Shape.HotKeys()
}

// Ranges is a set of indices.
type Ranges []Range

// Range is the indices from First to First+Count-1.
type Range struct{ First, Count int }

// Has tells whether i is in the set.
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

// ReadHello checks the first message of a stream, but for its route.
func ReadHello(m *pb.Hello) (*Hello, error) {
	if m.GetProtocol() != Protocol {
		return nil, fmt.Errorf("protocol %d is not spoken here, only %d: use a client of this version", m.GetProtocol(), Protocol)
	}
	for _, name := range []struct{ what, text string }{{"job", m.GetJob()}, {"instance", m.GetInstance()}} {
		if err := checkName(name.what, name.text); err != nil {
			return nil, err
		}
	}
	if len(m.GetClient()) > mostName || !printable(m.GetClient()) {
		return nil, fmt.Errorf("client: must be up to %d bytes of printable text", mostName)
	}
	s := m.GetShape()
	h := &Hello{Client: m.GetClient(), Job: m.GetJob(), Instance: m.GetInstance()}
	h.Shape = reports.Shape{
		Workers: int(s.GetWorkers()), Partitioners: int(s.GetPartitioners()), Slots: int(s.GetSlots()), Slides: int(s.GetSlides()),
		Reducers: int(s.GetReducers()), Queue: int(s.GetQueue()),
		Slide: time.Duration(min(s.GetSlideNs(), math.MaxInt64)),
	}
	if err := h.Shape.Validate(); err != nil {
		return nil, fmt.Errorf("shape: %w", err)
	}
	if n := len(m.GetSubtasks()); n < 1 || n > mostSubtasks {
		return nil, fmt.Errorf("subtasks: %d ranges; from 1 to %d are possible", n, mostSubtasks)
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
	if text == "" || len(text) > mostName || !printable(text) {
		return fmt.Errorf("%s: must be 1 to %d bytes of printable text", what, mostName)
	}
	return nil
}

// printable tells whether text can be shown as it is.
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

// WriteHello is the message of a hello.
func WriteHello(h *Hello) *pb.Hello {
	m := &pb.Hello{
		Protocol: Protocol, Client: h.Client, Job: h.Job, Instance: h.Instance,
		Shape: &pb.Shape{
			Workers: uint32(h.Shape.Workers), Partitioners: uint32(h.Shape.Partitioners), Slots: uint32(h.Shape.Slots),
			Slides: uint32(h.Shape.Slides), SlideNs: uint64(h.Shape.Slide), Reducers: uint32(h.Shape.Reducers), Queue: uint32(h.Shape.Queue),
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

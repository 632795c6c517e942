package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/saspart/saspart/policy"
	pb "github.com/saspart/saspart/proto/saspart/v1"
)

// rawRoute is a route as it is on the wire, in memory that is used again. The lists of
// all keys lie one after the other, so that a route takes the same few allocations
// whatever it names.
type rawRoute struct {
	version uint64
	base    uint64          // of a change
	gone    []uint64        // by a change
	changed bounded[uint32] // slots, by a change; slots has their workers
	workers uint32
	keys    []rawKey
	slots   bounded[uint32]
	targets bounded[uint32] // workers of all keys
	shares  []float64       // of these workers
	letters int             // bytes of all names
}

// rawKey is a key of a rawRoute with the numbers of its elements in the lists.
type rawKey struct {
	hash            uint64
	name            []byte // in the encoded message
	targets, shares int
}

var rawRoutes = sync.Pool{New: func() any { return new(rawRoute) }}

// decodeRoute decodes and checks a route for a job of P workers. The error is ErrGarbage
// or says why the route cannot be followed.
func decodeRoute(b []byte, workers int) (*policy.Route, error) {
	r := rawRoutes.Get().(*rawRoute)
	if len(b) < maxRead {
		defer rawRoutes.Put(r)
	}
	if !r.decode(b, workers) {
		return nil, ErrGarbage
	}
	return r.route(workers)
}

func (r *rawRoute) decode(b []byte, workers int) bool {
	r.clear(workers)
	f := fields{rest: b}
	for f.next() {
		switch f.tag {
		case 1<<3 | varint:
			r.version = f.value
		case 2<<3 | varint:
			r.workers = uint32(f.value)
		case 3<<3 | nested:
			f.bad = !r.decodeKey(f.bytes)
		case 4<<3 | nested:
			f.bad = !packed(&r.slots, f.bytes)
		case 4<<3 | varint:
			*r.slots.next() = uint32(f.value)
		}
	}
	return !f.bad
}

// clear empties the lists for a route of P workers.
func (r *rawRoute) clear(workers int) {
	slots := 16 * policy.SlotCount(workers)
	*r = rawRoute{
		keys: r.keys[:0], shares: r.shares[:0], gone: r.gone[:0],
		slots: reuse(r.slots.list, slots), changed: reuse(r.changed.list, slots), targets: reuse(r.targets.list, math.MaxInt),
	}
}

func (r *rawRoute) decodeKey(b []byte) bool {
	k := rawKey{targets: -r.targets.n, shares: -len(r.shares)}
	f := fields{rest: b}
	for f.next() {
		switch f.tag {
		case 1<<3 | fixed64:
			k.hash = f.value
		case 2<<3 | nested:
			k.name = f.bytes
		case 3<<3 | nested:
			f.bad = !packed(&r.targets, f.bytes)
		case 3<<3 | varint:
			*r.targets.next() = uint32(f.value)
		case 4<<3 | nested:
			f.bad = len(f.bytes)%8 != 0
			for v := f.bytes; len(v) >= 8; v = v[8:] {
				r.shares = append(r.shares, math.Float64frombits(binary.LittleEndian.Uint64(v)))
			}
		case 4<<3 | fixed64:
			r.shares = append(r.shares, f.number())
		}
	}
	k.targets, k.shares = k.targets+r.targets.n, k.shares+len(r.shares)
	r.keys, r.letters = append(r.keys, k), r.letters+len(k.name)
	return !f.bad
}

// route checks the route and copies it to memory of its own.
func (r *rawRoute) route(workers int) (*policy.Route, error) {
	if int(r.workers) != workers {
		return nil, fmt.Errorf("route: is for %d workers; the job has %d", r.workers, workers)
	}
	if r.slots.over() {
		return nil, fmt.Errorf("route: %d slots; at most %d are possible", r.slots.n, r.slots.limit)
	}
	to := &policy.Route{Version: r.version, Workers: workers, Keys: make([]policy.KeyRoute, len(r.keys)), Slots: make([]uint16, r.slots.n)}
	for i, w := range r.slots.list {
		if int(w) >= workers {
			return nil, fmt.Errorf("route: slot %d goes to worker %d of %d", i, w, workers)
		}
		to.Slots[i] = uint16(w)
	}
	if err := r.named(to.Keys, workers); err != nil {
		return nil, err
	}
	return to, to.Validate()
}

// named checks the keys and copies them.
func (r *rawRoute) named(keys []policy.KeyRoute, workers int) error {
	var text strings.Builder
	text.Grow(r.letters)
	for i := range r.keys {
		text.Write(r.keys[i].name)
	}
	names, targets, whole := text.String(), make([]uint16, r.targets.n), []float64{1}
	shares := append(make([]float64, 0, len(r.shares)), r.shares...)
	for i, w := range r.targets.list {
		targets[i] = uint16(w)
	}
	raw := r.targets.list
	for i := range r.keys {
		k, key := &r.keys[i], &keys[i]
		if len(k.name) > maxKey || k.targets > workers {
			return fmt.Errorf("route: key %d has a name of %d bytes and %d workers; at most %d and %d are possible",
				i, len(k.name), k.targets, maxKey, workers)
		}
		for _, w := range raw[:k.targets] {
			if int(w) >= workers {
				return fmt.Errorf("route: key %d goes to worker %d of %d", i, w, workers)
			}
		}
		raw = raw[k.targets:]
		key.Hash = k.hash
		key.Name, names = names[:len(k.name)], names[len(k.name):]
		key.Workers, targets = targets[:k.targets:k.targets], targets[k.targets:]
		switch {
		case k.shares > 0:
			key.Shares, shares = shares[:k.shares:k.shares], shares[k.shares:]
		case k.targets == 1:
			key.Shares = whole
		}
	}
	return nil
}

// ReadRoute checks the route of a hello for a job of P workers.
func ReadRoute(m *pb.Route, workers int) (*policy.Route, error) {
	b, err := proto.Marshal(m)
	if err != nil {
		return nil, ErrGarbage
	}
	return decodeRoute(b, workers)
}

// WriteRoute is the message of a route, for a hello.
func WriteRoute(r *policy.Route) *pb.Route {
	var m pb.Report
	if err := proto.Unmarshal(appendRoute(nil, 4, r), &m); err != nil {
		panic(err) // appendRoute is wrong
	}
	return m.Route
}

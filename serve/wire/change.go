package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/saspart/saspart/internal/hashtable"
	"github.com/saspart/saspart/policy"
)

// appendRouteOrChange appends a field with a route or, if that is less, a field with what
// the route changes of its base. Without a base it is the route.
func appendRouteOrChange(b []byte, route, change protowire.Number, r, base *policy.Route) []byte {
	if base == nil || len(base.Slots) != len(r.Slots) {
		return appendRoute(b, route, r)
	}
	start := len(b)
	b = appendChange(b, change, r, base)
	changed := len(b)
	if changed-start <= len(r.Slots) { // a byte for each slot is the least that a route takes
		return b
	}
	b = appendRoute(b, route, r)
	if shorter := b[start:changed]; len(shorter) < len(b)-changed {
		return b[:changed]
	}
	return append(b[:start], b[changed:]...)
}

// appendChange appends a field with what a route changes of a base with as many slots.
func appendChange(b []byte, number protowire.Number, r, base *policy.Route) []byte {
	b, change := begin(b, number)
	b = appendCount(b, 1, r.Version)
	b = appendCount(b, 2, base.Version)
	var named hashtable.Table[*policy.KeyRoute] // nil: as in the base
	for i := range r.Keys {
		named.Set(r.Keys[i].Hash, &r.Keys[i])
	}
	var gone []byte
	for i := range base.Keys {
		was := &base.Keys[i]
		switch now := named.Find(was.Hash); {
		case now == nil:
			gone = binary.LittleEndian.AppendUint64(gone, was.Hash)
		case slices.Equal((*now).Workers, was.Workers) && slices.Equal((*now).Shares, was.Shares):
			*now = nil
		}
	}
	b = appendText(b, 3, gone)
	for i := range r.Keys {
		if k := &r.Keys[i]; *named.Find(k.Hash) != nil {
			b = appendKeyRoute(b, 4, k)
		}
	}
	var slots []uint32
	var workers []uint16
	next := 0
	for i, w := range r.Slots {
		if w != base.Slots[i] {
			slots, workers = append(slots, uint32(i-next)), append(workers, w)
			next = i + 1
		}
	}
	b = appendPacked(b, 5, slots)
	b = appendPacked(b, 6, workers)
	return end(b, change)
}

// decodeChange decodes and checks a change of a route for a job of P workers. The error is
// ErrGarbage or ErrBase, or says why the route cannot be followed.
func decodeChange(b []byte, workers int, base *policy.Route) (*policy.Route, error) {
	r := rawRoutes.Get().(*rawRoute)
	if len(b) < maxRead {
		defer rawRoutes.Put(r)
	}
	if !r.decodeChange(b, workers) {
		return nil, ErrGarbage
	}
	if base == nil || base.Version != r.base {
		return nil, ErrBase
	}
	return r.changeOf(base)
}

func (r *rawRoute) decodeChange(b []byte, workers int) bool {
	r.clear(workers)
	f := fields{rest: b}
	for f.next() {
		switch f.tag {
		case 1<<3 | varint:
			r.version = f.value
		case 2<<3 | varint:
			r.base = f.value
		case 3<<3 | nested:
			f.bad = len(f.bytes)%8 != 0
			for v := f.bytes; len(v) >= 8; v = v[8:] {
				r.gone = append(r.gone, binary.LittleEndian.Uint64(v))
			}
		case 3<<3 | fixed64:
			r.gone = append(r.gone, f.value)
		case 4<<3 | nested:
			f.bad = !r.decodeKey(f.bytes)
		case 5<<3 | nested:
			f.bad = !packed(&r.changed, f.bytes)
		case 5<<3 | varint:
			*r.changed.next() = uint32(f.value)
		case 6<<3 | nested:
			f.bad = !packed(&r.slots, f.bytes)
		case 6<<3 | varint:
			*r.slots.next() = uint32(f.value)
		}
	}
	return !f.bad
}

// changeOf checks the change and makes a route of it and its base. The keys of the base keep
// their places; new ones come behind them.
func (r *rawRoute) changeOf(base *policy.Route) (*policy.Route, error) {
	if r.changed.n != r.slots.n || r.slots.over() {
		return nil, errors.New("route: a change has another number of slots than of workers, or too many")
	}
	to := &policy.Route{Version: r.version, Workers: base.Workers, Slots: slices.Clone(base.Slots)}
	next := uint64(0)
	for i, gap := range r.changed.list {
		if next += uint64(gap); next >= uint64(len(to.Slots)) || int(r.slots.list[i]) >= base.Workers {
			return nil, fmt.Errorf("route: slot %d of %d goes to worker %d of %d", next, len(to.Slots), r.slots.list[i], base.Workers)
		}
		to.Slots[next] = uint16(r.slots.list[i])
		next++
	}
	keys := make([]policy.KeyRoute, len(r.keys))
	if err := r.named(keys, base.Workers); err != nil {
		return nil, err
	}
	const gone = -1
	var now hashtable.Table[int] // of keys: where they are
	for _, hash := range r.gone {
		now.Set(hash, gone)
	}
	for i := range keys {
		now.Set(keys[i].Hash, i)
	}
	to.Keys = make([]policy.KeyRoute, 0, len(base.Keys)+len(keys))
	placed := make([]bool, len(keys))
	for i := range base.Keys {
		at, changed := now.Get(base.Keys[i].Hash)
		switch {
		case !changed:
			to.Keys = append(to.Keys, base.Keys[i])
		case at != gone:
			to.Keys = append(to.Keys, keys[at])
			placed[at] = true
		}
	}
	for i := range keys {
		if !placed[i] {
			to.Keys = append(to.Keys, keys[i])
		}
	}
	return to, to.Validate()
}

package wire

import (
	"fmt"
	"strings"

	"github.com/saspart/saspart/policy"
	pb "github.com/saspart/saspart/proto/saspart/v1"
)

// ReadRoute checks a route for a job of P workers.
func ReadRoute(m *pb.Route, workers int) (*policy.Route, error) {
	if int(m.GetWorkers()) != workers {
		return nil, fmt.Errorf("route: is for %d workers; the job has %d", m.GetWorkers(), workers)
	}
	if n := len(m.Slots); n > 16*policy.SlotCount(workers) {
		return nil, fmt.Errorf("route: %d slots; at most %d are possible", n, 16*policy.SlotCount(workers))
	}
	r := &policy.Route{Version: m.Version, Workers: workers, Keys: make([]policy.KeyRoute, len(m.Keys)), Slots: make([]uint16, len(m.Slots))}
	for i, w := range m.Slots {
		if int(w) >= workers {
			return nil, fmt.Errorf("route: slot %d goes to worker %d of %d", i, w, workers)
		}
		r.Slots[i] = uint16(w)
	}
	// Workers lie in one list and names in one text: a route is as many allocations
	// whatever it names.
	pairs, letters := 0, 0
	for _, k := range m.Keys {
		pairs += len(k.GetWorkers())
		letters += len(k.GetName())
	}
	all, whole := make([]uint16, 0, pairs), []float64{1}
	var text strings.Builder
	text.Grow(letters)
	for _, k := range m.Keys {
		text.Write(k.GetName())
	}
	names := text.String()
	for i, k := range m.Keys {
		if len(k.GetName()) > mostKey || len(k.GetWorkers()) > workers {
			return nil, fmt.Errorf("route: key %d has a name of %d bytes and %d workers; at most %d and %d are possible",
				i, len(k.GetName()), len(k.GetWorkers()), mostKey, workers)
		}
		to := &r.Keys[i]
		to.Hash, to.Shares = k.GetHash(), k.GetShares()
		to.Name, names = names[:len(k.GetName())], names[len(k.GetName()):]
		if len(k.GetWorkers()) == 1 && len(to.Shares) == 0 {
			to.Shares = whole
		}
		from := len(all)
		for _, w := range k.GetWorkers() {
			if int(w) >= workers {
				return nil, fmt.Errorf("route: key %d goes to worker %d of %d", i, w, workers)
			}
			all = append(all, uint16(w))
		}
		to.Workers = all[from:len(all):len(all)]
	}
	return r, r.Validate()
}

// WriteRoute is the message of a route.
func WriteRoute(r *policy.Route) *pb.Route {
	m := &pb.Route{Version: r.Version, Workers: uint32(r.Workers), Keys: make([]*pb.KeyRoute, len(r.Keys)), Slots: make([]uint32, len(r.Slots))}
	for i, w := range r.Slots {
		m.Slots[i] = uint32(w)
	}
	keys := make([]pb.KeyRoute, len(r.Keys))
	for i := range r.Keys {
		k, to := &r.Keys[i], &keys[i]
		m.Keys[i] = to
		to.Hash, to.Name = k.Hash, []byte(k.Name[:min(len(k.Name), mostKey)])
		to.Workers = make([]uint32, len(k.Workers))
		for j, w := range k.Workers {
			to.Workers[j] = uint32(w)
		}
		if len(k.Workers) > 1 {
			to.Shares = k.Shares
		}
	}
	return m
}

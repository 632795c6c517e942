// Package rival has the published partitioners that decide record by record. hash, pkg,
// dchoices, wchoices and cam choose between workers that the key's hashes name; flexd and fish
// follow the frequencies of keys. Those of the Dalton paper are in package dalton.
package rival

import (
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/stream"
)

// hashRouter is `hash`, key grouping: the default of every keyed streaming system, and the
// baseline of every comparison.
//
// Source: common practice; docs/algorithms.md, "hash".
//
// Rule: worker = hash mod P. A key always has one worker, so nothing is ever merged.
//
// Constants: none.
//
// Deviations: the whole 64-bit hash is reduced, not 32 bits of it.
//
// Cost: O(1).
type hashRouter struct {
	workers uint64
}

// NewHash makes the hash partitioner.
func NewHash(env partition.Env) partition.Router { return &hashRouter{workers: uint64(env.Workers)} }

// Route implements Router.
func (r *hashRouter) Route(b *stream.Batch, dst []partition.Dest) {
	workers := r.workers
	hashes := b.Hashes[:len(dst)]
	for i, h := range hashes {
		dst[i] = partition.Dest(h % workers)
	}
}

// EndSlide implements Router; hash partitioning keeps no state.
func (r *hashRouter) EndSlide(int64) {}

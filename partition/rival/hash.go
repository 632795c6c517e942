// Package rival has the published partitioners that decide record by record: hashing,
// choices between hashed workers (pkg, dchoices, wchoices, cam), and partitioners that
// follow key frequencies (flexd, fish). Package dalton has those that come from Dalton.
package rival

import (
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/stream"
)

// hashRouter is `hash`, key grouping: the default of keyed streaming systems, and the
// baseline of every comparison.
//
// Source: docs/algorithms.md, "hash".
//
// Rule: worker = hash mod P. A key always has one worker, so nothing is merged.
//
// Constants: none.
//
// Deviations: the whole 64-bit hash is reduced, not 32 bits of it.
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

// EndSlide implements Router; hash partitioning has no memory.
func (r *hashRouter) EndSlide(int64) {}

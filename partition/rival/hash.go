// Package rival has published partitioners that decide record by record: hashing, choices
// between hashed workers (pkg, dchoices, wchoices, cam), and those that follow frequencies
// of keys (flexd, fish). Those after Dalton are in package dalton.
package rival

import (
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/stream"
)

// hashRouter is `hash`, key grouping: what every keyed streaming system does
// unless told otherwise, and the baseline of every comparison.
//
// Source: docs/algorithms.md, "hash".
//
// Rule: worker = hash mod P. A key always has one worker, so nothing is ever
// merged.
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

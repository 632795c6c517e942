package engine

import "github.com/saspart/saspart/config/field"

// Combine says whether records are aggregated before they are sent.
type Combine string

const (
	// CombineNone sends every record to its worker.
	CombineNone Combine = "none"
	// CombineLocal aggregates at the partitioner subtasks first and sends partial results
	// by hash: Flink SQL's two-phase aggregation. One instance of this aggregation runs on
	// each worker's processor, as with Flink's slot sharing. Records go to the instances in
	// turn, and folding one takes as long as on a worker. An instance keeps a partial state
	// per key. It flushes all of them to the keys' workers when it holds CombineKeys keys,
	// when its oldest record arrived CombineAge ago, and when a slide ends. The age counts
	// from arrival, not from when the record was due: a late job would otherwise flush each
	// record alone and fall further behind.
	CombineLocal Combine = "local"
)

func (c *Config) validateCombine() error {
	if c.Combine != CombineNone && c.Combine != CombineLocal {
		return field.Errorf("combine", "is %q; it must be %s or %s", c.Combine, CombineNone, CombineLocal)
	}
	if err := field.Whole("combine_keys", c.CombineKeys, 1, 1<<24); err != nil {
		return err
	}
	return field.Lasting("combine_age", c.CombineAge)
}

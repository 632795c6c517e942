package engine

import "github.com/saspart/saspart/config/field"

// Combine says whether records are aggregated before they are sent.
type Combine string

const (
	// CombineNone sends every record to its worker.
	CombineNone Combine = "none"
	// CombineLocal aggregates at the sender first and sends partial results by hash:
	// what Flink SQL calls two-phase aggregation. The senders' aggregation runs beside the
	// workers, as slot sharing has it: there is an instance of it on each worker's
	// processor, records are dealt out to them in turn, and folding one takes the time
	// there that it takes on a worker. An instance keeps a partial state per key, and
	// flushes all of them to the keys' workers when it has CombineKeys, when the first
	// record came into it CombineAge ago, and when a slide ends. (Not when that record was
	// due: a job that is behind would flush every record by itself, and fall further
	// behind.)
	CombineLocal Combine = "local"
)

func (c *Config) validateCombine() error {
	if c.Combine != CombineNone && c.Combine != CombineLocal {
		return field.Errorf("combine", "is %q; it must be %s or %s", c.Combine, CombineNone, CombineLocal)
	}
	if err := field.Whole("combine_keys", c.CombineKeys, 1, 1<<24); err != nil {
		return err
	}
	if c.CombineAge <= 0 {
		return field.Errorf("combine_age", "is %v; it must be above 0", c.CombineAge)
	}
	return nil
}

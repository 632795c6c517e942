package online

import "github.com/saspart/saspart/policy"

// Consecutive is a filter for a job whose windows may have gaps, as those of a job in
// another process that comes and goes: a window that does not follow the one before,
// by their steps, is not recorded as if it did. It is for one job.
func Consecutive(f Filter) Filter { return &consecutive{Filter: f} }

type consecutive struct {
	Filter
	next int // step that follows
}

// Record implements Filter.
func (c *consecutive) Record(job int, w *policy.Window) error {
	if w.Step != c.next {
		c.Cut(job)
	}
	c.next = w.Step + 1
	return c.Filter.Record(job, w)
}

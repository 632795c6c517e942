// Package stream holds what flows through a job: keys, records, the sources
// that make them, the rates at which they arrive and the tasks that aggregate
// them. It knows nothing of partitioners or engines.
package stream

import "github.com/twmb/murmur3"

// Record is one element of the stream. Its strings and slices are immutable and
// may be shared: a source never writes to them again.
type Record struct {
	Key    string    // any bytes, also empty or invalid UTF-8
	Hash   uint64    // Hash(Key), computed once by the source
	Time   int64     // event time = intended arrival, ns since the job's start
	Text   string    // payload of wordcount: a sentence
	Values []float64 // payload of tdigest: numbers
}

// Hash is the 64-bit hash of a key that every part of the system uses: the first
// half of MurmurHash3 x64 128 with seed 0 (the family the reference uses, and one
// that the JVM has too).
func Hash(key string) uint64 { return murmur3.StringSum64(key) }

// Batch is a run of records of one partitioner subtask. Hashes[i] equals
// Records[i].Hash: routers read only this dense column.
type Batch struct {
	Hashes  []uint64
	Records []Record
}

// Resize makes the batch n records long, reusing its memory.
func (b *Batch) Resize(n int) {
	if cap(b.Records) < n {
		b.Records = make([]Record, n)
		b.Hashes = make([]uint64, n)
	}
	b.Records, b.Hashes = b.Records[:n], b.Hashes[:n]
}

// Source fills in the records of one subtask. It is pure: all randomness comes
// from the seed it was opened with, all time from the records.
type Source interface {
	// Fill sets Key, Hash, Text and Values of the batch's records, whose Time the
	// driver has set (ascending), and the Hashes column. It returns how many it
	// filled, from the front; fewer than asked for comes with an error: io.EOF
	// after the last record of a source that ends, else what went wrong, where
	// and what would mend it.
	Fill(b *Batch) (int, error)
}

// Task is a keyed aggregation whose partial states can be merged.
type Task interface {
	// Name is the task's name in configurations.
	Name() string
	// NewState returns an empty state.
	NewState() State
	// Units is the amount of work in a record beyond the record itself: words
	// of a sentence, values of a list, 0 for count.
	Units(r *Record) int
}

// State is the partial aggregate of one key over one pane or window.
type State interface {
	// Add folds a record in.
	Add(r *Record)
	// Merge folds other, a state of the same task, in; other stays as it is.
	Merge(other State)
	// Reset empties the state for reuse: from then on it behaves exactly as a
	// new one.
	Reset()
	// Count is the number of records folded in.
	Count() int64
	// Size is the number of entries a merge of this state has to touch: distinct
	// words, centroids, 1 for count.
	Size() int
	// AppendText appends a canonical, human-readable rendering: equal aggregates
	// give equal bytes.
	AppendText(dst []byte) []byte
}

// Package stream defines what flows through a job: keys, records, the sources that make
// records, the rates at which they arrive, and the tasks that aggregate them. It does not
// depend on partitioners or engines.
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

// Hash is the 64-bit hash of a key that every part of the system uses: the first half of
// MurmurHash3 x64 128 with seed 0. The JVM has implementations of it too.
func Hash(key string) uint64 { return murmur3.StringSum64(key) }

// Batch is consecutive records of one partitioner subtask. Hashes[i] equals Records[i].Hash;
// routers read only this dense column.
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

// Source makes the records of one subtask. It is deterministic: randomness comes from the seed
// that it was opened with, time from the records.
type Source interface {
	// Fill sets Key, Hash, Text and Values of the batch's records and the Hashes column; the
	// driver has set Time, ascending. It fills from the front and returns how many it has
	// filled. If it fills fewer than all it returns an error. That is io.EOF after the last
	// record of a source that ends; other errors say what went wrong, where, and how to fix
	// it.
	Fill(b *Batch) (int, error)
}

// Task is a keyed aggregation whose partial states can be merged.
type Task interface {
	// Name is the task's name in configurations.
	Name() string
	// NewState returns an empty state.
	NewState() State
	// Units is the number of work units in a record beyond the record itself: words of a
	// sentence, values of a list, 0 for count.
	Units(r *Record) int
}

// State is the partial aggregate of one key over one pane or window.
type State interface {
	// Add adds a record.
	Add(r *Record)
	// Merge adds all that other, a state of the same task, holds; other does not change.
	Merge(other State)
	// Reset empties the state for reuse. It then behaves exactly as a new one.
	Reset()
	// Count is the number of records added.
	Count() int64
	// Size is the number of entries that a merge of this state touches: distinct words,
	// centroids, 1 for count.
	Size() int
	// Bytes is the memory that its entries take.
	Bytes() int
	Result
}

// Result is the aggregate of one key over one window, to be read.
type Result interface {
	// AppendText appends a canonical, human-readable rendering: equal aggregates
	// give equal bytes.
	AppendText(dst []byte) []byte
}

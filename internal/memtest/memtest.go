// Package memtest bounds the memory that tests allocate.
package memtest

import (
	"runtime/metrics"
	"testing"
)

// Limit returns a function that fails the test if more than so many bytes were allocated since,
// whether they were freed or not. The fuzz tests of parsers call it: a few bytes of input
// must not take much memory.
func Limit(t testing.TB, bytes int) (check func()) {
	before := allocated()
	return func() {
		if n := allocated() - before; n > uint64(bytes) {
			t.Fatalf("%d MiB were allocated, the limit is %d MiB", n>>20, bytes>>20)
		}
	}
}

func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

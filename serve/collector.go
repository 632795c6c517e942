package serve

import "runtime"

// RelaxCollector makes the garbage collector run less often, until the returned function is
// called: it allocates 32 MiB that are never used. A server with a few jobs uses so little
// memory that without them there is a collection every few hundred windows, which delays
// the answer to a window by milliseconds.
func RelaxCollector() (release func()) {
	ballast := make([]byte, 32<<20) // never written, so it takes address space but no memory
	return func() { runtime.KeepAlive(ballast) }
}

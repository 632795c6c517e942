package serve

import "runtime"

// MakeRoom lets this process make 32 MiB of garbage, on top of as much as it has in
// use, before it is collected, until the function returned is called. It is for
// processes that do nothing but serve: a few jobs have so little memory in use that
// every few hundred windows there was a collection, which delays the answer to the
// window that it falls on by milliseconds.
func MakeRoom() (release func()) {
	room := make([]byte, 32<<20) // counts as in use, and is never written: it takes no memory
	return func() { runtime.KeepAlive(room) }
}

package stream

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"strings"
)

// key is a name with its hash.
type key struct {
	name string
	hash uint64
}

// newKeys makes n keys named by number: key-0000 to key-9999 for 10,000 of them.
func newKeys(n int) []key {
	width := len(fmt.Sprint(n - 1))
	var all strings.Builder
	all.Grow(n * (len("key-") + width))
	for i := range n {
		fmt.Fprintf(&all, "key-%0*d", width, i)
	}
	names, size := all.String(), len("key-")+width // one allocation holds every name
	keys := make([]key, n)
	for i := range keys {
		name := names[i*size : (i+1)*size]
		keys[i] = key{name, Hash(name)}
	}
	return keys
}

// deal copies keys to dst in a random order (Fisher and Yates).
func deal(dst, keys []key, rng *rand.PCG) {
	copy(dst, keys)
	for i := len(dst) - 1; i > 0; i-- {
		j, _ := bits.Mul64(rng.Uint64(), uint64(i+1))
		dst[i], dst[j] = dst[j], dst[i]
	}
}

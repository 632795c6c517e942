package stream

import "math/rand/v2"

// Purposes separate the random streams of one seed.
const (
	forKeys = iota + 1
	forShuffle
	forPhase
	forSentences
	forValues
	forPayload
	forArrivals
)

// newPCG returns the generator of one purpose and one index within it (a subtask, a phase).
// Seed, purpose and index are mixed first, because the streams of a PCG from neighbouring
// states resemble each other.
func newPCG(seed, purpose, index uint64) *rand.PCG {
	g := new(rand.PCG)
	seedPCG(g, seed, purpose, index)
	return g
}

// seedPCG makes g the generator that newPCG returns.
func seedPCG(g *rand.PCG, seed, purpose, index uint64) {
	hi := mix(seed + 0x9e3779b97f4a7c15*purpose)
	g.Seed(hi, mix(hi^(index+1)*0xd1342543de82ef95))
}

// mix is the finalizer of splitmix64, a bijection that spreads every input bit
// over all output bits.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

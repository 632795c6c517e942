package partition

import (
	"github.com/saspart/saspart/policy"
)

// naiveSketch is SpaceSaving as its paper's prose has it: a list, searched from
// the front.
type naiveSketch struct {
	m    int
	keys []policy.HotKey
}

func (s *naiveSketch) observe(hash uint64, name string, n int64) {
	for i := range s.keys {
		if s.keys[i].Hash == hash {
			s.keys[i].Count += n
			return
		}
	}
	if len(s.keys) < s.m {
		s.keys = append(s.keys, policy.HotKey{Name: name, Hash: hash, Count: n})
		return
	}
	least := 0
	for i := range s.keys {
		if s.keys[i].Count < s.keys[least].Count {
			least = i
		}
	}
	floor := s.keys[least].Count
	s.keys[least] = policy.HotKey{Name: name, Hash: hash, Count: floor + n, Error: floor}
}

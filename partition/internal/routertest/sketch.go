package routertest

import (
	"github.com/saspart/saspart/policy"
)

// NaiveSketch is SpaceSaving as its paper's prose has it: a list, searched from
// the front.
type NaiveSketch struct {
	M    int
	Keys []policy.HotKey
}

func (s *NaiveSketch) Observe(hash uint64, name string, n int64) {
	for i := range s.Keys {
		if s.Keys[i].Hash == hash {
			s.Keys[i].Count += n
			return
		}
	}
	if len(s.Keys) < s.M {
		s.Keys = append(s.Keys, policy.HotKey{Name: name, Hash: hash, Count: n})
		return
	}
	least := 0
	for i := range s.Keys {
		if s.Keys[i].Count < s.Keys[least].Count {
			least = i
		}
	}
	floor := s.Keys[least].Count
	s.Keys[least] = policy.HotKey{Name: name, Hash: hash, Count: floor + n, Error: floor}
}

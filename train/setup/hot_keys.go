package setup

import (
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
)

// tellHotKeys says how many keys a new policy knows, and warns if the others may unbalance the
// workers. past is the sum of the squared parts of the records that the others have, needed the
// number of hot keys that auto would take.
func (o *Options) tellHotKeys(s *checkpoint.SharesSpec, past float64, needed int) {
	o.log("the policy knows %d hot keys, and divides %d of them over %d workers", s.HotKeys, len(s.Mask), s.Workers)
	if excess := policy.HashExcess(past, s.Workers); excess > policy.HarmlessExcess && s.HotKeys < needed {
		o.log("warning: the other keys go to workers by hash, which is expected to give one of them %.2f more than the mean load; no policy of so few hot keys can balance that. With hot_keys: auto there would be %d", excess, needed)
	}
}

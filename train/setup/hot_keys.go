package setup

import (
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
)

// checkHotKeys warns if the keys that a new policy does not know may unbalance the workers. past
// is the sum of the squared parts of the records that these keys have. Auto would take needed
// hot keys.
func (o *Options) checkHotKeys(s *checkpoint.SharesSpec, past float64, needed int) {
	if excess := policy.HashExcess(past, s.Workers); excess > policy.HarmlessExcess && s.HotKeys < needed {
		o.log("warning: the other keys go to workers by hash, which is expected to give one of them %.2f more than the mean load; no policy of so few hot keys can balance that. With hot_keys: auto there would be %d", excess, needed)
	}
}

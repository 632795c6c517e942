package learned

import (
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/network"
)

// learnedShares is the controller of a shares policy, the reference's system: the
// observation of a window goes through the network, whose action is the share of each
// (key, worker) pair of the mask.
type learnedShares struct {
	view    *SharesView
	network *network.MLP

	input, output []float32 // of the network
	action        []float64
}

func newLearnedShares(c *checkpoint.Checkpoint, config Config) (*learnedShares, error) {
	network, err := c.Shares.Network(c.Tensors)
	if err != nil {
		return nil, err
	}
	mask := c.Shares.AsMask()
	return &learnedShares{
		view: NewSharesView(c.Shares, c.Normalisation, config.Load), network: network,
		output: make([]float32, mask.Pairs()), action: make([]float64, mask.Pairs()),
	}, nil
}

// settled is the part of all records that a new route must move to be worth
// following.
const settled = 0.002

// Decide implements Controller. A window of another number of workers is ignored, and
// there is no decision before a hot key is known. With fewer hot keys than the mask
// has, the heaviest ranks are in use.
func (f *learnedShares) Decide(w *policy.Window, latest *policy.Route) *policy.Route {
	if !f.view.Observe(w) {
		return nil
	}
	return f.follow(w, latest)
}

// follow decides on a window that has been taken in.
func (f *learnedShares) follow(w *policy.Window, latest *policy.Route) *policy.Route {
	f.input = f.view.Observation(f.input[:0], w)
	f.network.Forward(f.input, f.output)
	for i, a := range f.output {
		f.action[i] = (float64(a) + 1) / 2
	}
	// An output that is not a number between 0 and 1 is an error: the latest route stays.
	next, err := f.view.Route(f.action)
	if err != nil || f.view.Moved(latest, next) <= settled {
		return nil
	}
	return valid(next)
}

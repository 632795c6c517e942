package learned

import (
	"cmp"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/network"
)

// learnedShares is the controller of a shares policy (docs/algorithms.md, "The decision
// process"): the network turns the observation of a window into an action, which is a route.
// The action says nothing about what the workers can do: their capacities are measured, as for
// waterfill.
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
		view: NewSharesView(c.Shares, c.Normalisation, config), network: network,
		output: make([]float32, mask.Pairs()), action: make([]float64, mask.Pairs()),
	}, nil
}

// Decide implements policy.Controller. Windows with another number of workers are ignored.
// There is no decision before the first hot key. If there are fewer hot keys than the mask
// has ranks, only the first ranks are in use.
func (f *learnedShares) Decide(w *policy.Window, latest *policy.Route) (d policy.Decision) {
	if f.view.Observe(w) {
		d.Route = f.follow(w, latest)
	}
	d.Capacities = f.view.Capacities(w, cmp.Or(d.Route, latest))
	return d
}

// follow decides on a window that has been observed.
func (f *learnedShares) follow(w *policy.Window, latest *policy.Route) *policy.Route {
	f.input = f.view.Observation(f.input[:0], w)
	f.network.Forward(f.input, f.output)
	for i, a := range f.output {
		f.action[i] = (float64(a) + 1) / 2
	}
	// An output that is not a number between 0 and 1 is an error: the latest route stays.
	next, err := f.view.Route(f.action)
	if err != nil || f.view.Rests(latest, next) {
		return nil
	}
	return valid(next)
}

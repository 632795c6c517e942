package learned

import (
	"cmp"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/network"
	"github.com/saspart/saspart/policy/plan"
)

// learnedShares is the controller of a shares policy (docs/algorithms.md, "The decision
// process"): the network turns the observation of a window into an action, which is a route.
// The action says nothing about what the workers can do: their capacities are measured, as for
// waterfill.
type learnedShares struct {
	view    *SharesView
	speeds  *plan.Speeds
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
		speeds: plan.NewSpeeds(plan.DefaultSpeed(), mask.Workers),
		output: make([]float32, mask.Pairs()), action: make([]float64, mask.Pairs()),
	}, nil
}

// settled is the dead band: a new route must move a larger part of the records.
const settled = 0.002

// Decide implements policy.Controller. Windows with another number of workers are ignored.
// There is no decision before the first hot key. If there are fewer hot keys than the mask
// has ranks, only the first ranks are in use.
func (f *learnedShares) Decide(w *policy.Window, latest *policy.Route) (d policy.Decision) {
	ready := f.observe(w)
	if ready {
		d.Route = f.follow(w, latest)
	}
	d.Capacities = f.capacities(w, cmp.Or(d.Route, latest))
	return d
}

// observe processes a window, and reports whether the policy can decide on it.
func (f *learnedShares) observe(w *policy.Window) bool {
	ready := f.view.Observe(w)
	if f.view.Fits(w) && !w.RouteNew {
		f.speeds.Observe(f.view.work(w), w.Busy)
	}
	return ready
}

// capacities returns the measured capacities for route r; nil if the window is of another number of
// workers.
func (f *learnedShares) capacities(w *policy.Window, r *policy.Route) *policy.Capacities {
	if !f.view.Fits(w) {
		return nil
	}
	return f.view.loads.Capacities(f.speeds.Capacity(make([]float64, len(w.Counts))), r)
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
	if err != nil || f.view.Moved(latest, next) <= settled {
		return nil
	}
	return valid(next)
}

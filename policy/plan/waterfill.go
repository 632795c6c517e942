package plan

import (
	"errors"
	"math"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/policy"
)

// WaterfillConfig configures Waterfill: its estimates, and when a new route is worth its
// moves.
type WaterfillConfig struct {
	Speed   SpeedConfig `yaml:"speed"`
	Routing `yaml:",inline"`
}

// Routing configures how capacities become routes, and when a new route is worth its moves.
type Routing struct {
	Load  LoadConfig `yaml:"load"`
	Plan  Config     `yaml:"plan"`
	Gain  float64    `yaml:"gain"`  // dead band: a new route must relieve the busiest worker by more than this part
	Noise float64    `yaml:"noise"` // added to the dead band, as a multiple of the excess that the busiest of P equal workers has by chance
	// Backlog is the part of a worker's backlog, its queue beyond the mean queue, that its
	// capacity is lowered by for the next window; 0 ignores queues. It must be 0 if routers keep
	// workers within their capacities: they make up for a backlog once, where a route would
	// with every record of a window. Otherwise 0.85 is best: all of it is too much when a route
	// comes into force late.
	Backlog float64 `yaml:"backlog"`
}

// DefaultWaterfill acts on gains of 0.5 % beyond chance, and leaves queues to the routers.
func DefaultWaterfill() WaterfillConfig {
	return WaterfillConfig{DefaultSpeed(), Routing{Load: DefaultLoad(), Plan: Default(), Gain: 0.005, Noise: 1}}
}

// Validate reports impossible values by their path.
func (c *WaterfillConfig) Validate() error {
	return errors.Join(field.In("speed", c.Speed.Validate()), c.Routing.Validate())
}

// Validate reports impossible values by their path.
func (c *Routing) Validate() error {
	return errors.Join(
		field.In("load", c.Load.Validate()),
		field.In("plan", c.Plan.Validate()),
		field.Finite("gain", c.Gain, 0, 1),
		field.Finite("noise", c.Noise, 0, 1e6),
		field.Finite("backlog", c.Backlog, 0, 1),
	)
}

// Waterfill is the analytic controller (docs/algorithms.md, "Waterfill, the analytic
// controller"). It estimates the loads of keys and slots and the speeds of workers, and plans
// routes that fill every worker up to its speed. It is the fallback of every learned policy,
// and the baseline that they have to beat.
//
// Loads are estimated from every window, since they do not depend on the route. A mixed
// window says nothing about speeds. It says how long the queues are, so Waterfill decides on
// mixed windows too, unless Backlog is 0. A new route must relieve the busiest worker by
// more than the estimates may be wrong.
//
// Where workers time records, loads and speeds are of work: a worker whose keys have longer
// records is not taken for a slower one. Elsewhere work is measured in records.
type Waterfill struct {
	config WaterfillConfig
	speeds *Speeds
	loads  *Loads
	work   []float64 // scratch: by worker
}

// NewWaterfill returns the controller of a job of P workers. c must be valid.
func NewWaterfill(c WaterfillConfig, workers int) *Waterfill {
	return &Waterfill{
		config: c, speeds: NewSpeeds(c.Speed, workers), loads: NewLoads(c.Load),
		work: make([]float64, workers),
	}
}

var _ policy.Controller = (*Waterfill)(nil)

// Decide implements policy.Controller. Windows with another number of workers are ignored.
func (f *Waterfill) Decide(w *policy.Window, latest *policy.Route) (d policy.Decision) {
	workers := latest.Workers
	if len(w.Counts) != workers || len(w.Busy) != workers {
		return d
	}
	f.observe(w)
	d.Capacities = f.loads.Capacities(f.speeds.Capacity(f.work), latest)
	if w.RouteNew && (f.config.Backlog == 0 || !QueuesTold(w)) {
		return d
	}
	if d.Route = f.relief(w, latest); d.Route != nil {
		d.Capacities = f.loads.Capacities(f.speeds.Capacity(f.work), d.Route)
	}
	return d
}

// Doubts processes a window and reports whether the busiest worker under a route, of any
// controller, has more than the dead band beyond its part, so that there may be a better
// route. The window may be mixed: loads do not depend on routes.
func (f *Waterfill) Doubts(w *policy.Window, r *policy.Route) bool {
	if len(w.Counts) != r.Workers || len(w.Busy) != r.Workers {
		return false
	}
	f.observe(w)
	p, limit := f.begin(w, r)
	defer p.Done()
	return p.excess() > limit
}

// Relieves reports whether Waterfill would give up a route for one of its own after a window
// in which it doubts it.
func (f *Waterfill) Relieves(w *policy.Window, r *policy.Route) bool { return f.relief(w, r) != nil }

// Burdens estimates by how much route next would burden the busiest worker of the latest route,
// after a window that Waterfill has decided on.
func (f *Waterfill) Burdens(w *policy.Window, latest, next *policy.Route) float64 {
	p, _ := f.begin(w, latest)
	defer p.Done()
	return -p.Promise(next)
}

func (f *Waterfill) observe(w *policy.Window) {
	f.loads.Observe(w)
	if !w.RouteNew {
		f.speeds.Observe(f.loads.Work(f.work, w), w.Busy)
	}
}

// relief returns a route that relieves the busiest worker by more than the dead band, nil if
// there is none.
func (f *Waterfill) relief(w *policy.Window, latest *policy.Route) *policy.Route {
	p, limit := f.begin(w, latest)
	defer p.Done()
	return p.Relief(limit)
}

// begin starts planning after a window, and returns the dead band.
func (f *Waterfill) begin(w *policy.Window, latest *policy.Route) (p *Planning, limit float64) {
	p = Begin(f.config.Plan, f.loads, latest)
	f.speeds.Capacity(p.In.Capacity)
	MakeUp(p.In.Capacity, w, f.config.Backlog)
	return p, f.config.DeadBand(f.speeds, f.loads, latest.Workers)
}

// DeadBand is the relief that a route must exceed: Gain beyond what may be chance.
func (c *Routing) DeadBand(s *Speeds, l *Loads, workers int) float64 {
	return c.Gain + c.Noise*Chance(math.Hypot(s.Deviation(), l.Deviation(workers)), workers)
}

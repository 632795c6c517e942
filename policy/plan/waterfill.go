package plan

import (
	"errors"
	"math"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/policy"
)

// WaterfillConfig says how the analytic controller estimates and when it acts.
type WaterfillConfig struct {
	Speed SpeedConfig `yaml:"speed"`
	Load  LoadConfig  `yaml:"load"`
	Plan  Config      `yaml:"plan"`
	Gain  float64     `yaml:"gain"`  // a new route must relieve the busiest worker by more than this share
	Noise float64     `yaml:"noise"` // and by more than so many times what the busiest of P equal workers would seem to exceed them by chance
	// Backlog is the part of what waits in a worker's queue, beyond the mean queue, that
	// the next window is to make up for; 0: queues do not count.
	Backlog float64 `yaml:"backlog"`
}

// DefaultWaterfill acts on gains of 0.5 % beyond chance, and makes up for 0.85 of
// a backlog in each window: all of it would be too much where a route comes into force
// late.
func DefaultWaterfill() WaterfillConfig {
	return WaterfillConfig{Speed: DefaultSpeed(), Load: DefaultLoad(), Plan: Default(), Gain: 0.005, Noise: 1, Backlog: 0.85}
}

// Validate reports impossible values by their path.
func (c *WaterfillConfig) Validate() error {
	return errors.Join(
		field.In("speed", c.Speed.Validate()),
		field.In("load", c.Load.Validate()),
		field.In("plan", c.Plan.Validate()),
		field.Finite("gain", c.Gain, 0, 1),
		field.Finite("noise", c.Noise, 0, 1e6),
		field.Finite("backlog", c.Backlog, 0, 1),
	)
}

// Waterfill is the analytic controller (docs/algorithms.md, "Waterfill, the
// analytic controller"): each worker's speed is its work done over its busy time, smoothed in the
// log, and the planner fills the workers up to their speeds. It is the fallback of
// every learned policy and what those have to beat.
//
// Keys and slots are counted in every window, for routes do not change them. Speeds are
// measured only where one route was in force throughout; without Backlog, routes are
// decided only there too: queues are what they are at a window's end, whichever route
// filled them. A route that relieves the busiest worker by less than what the estimates may be
// wrong by is not worth its moves.
//
// Work is measured in records: a worker whose keys have longer records looks
// slower, and gets fewer of them.
type Waterfill struct {
	config WaterfillConfig
	speeds *Speeds
	loads  *Loads
}

// NewWaterfill returns the controller of a job of P workers. c must be valid.
func NewWaterfill(c WaterfillConfig, workers int) *Waterfill {
	return &Waterfill{
		config: c, speeds: NewSpeeds(c.Speed, workers), loads: NewLoads(c.Load),
	}
}

var _ policy.Controller = (*Waterfill)(nil)

// Decide implements Controller. A window of another number of workers is ignored.
func (f *Waterfill) Decide(w *policy.Window, latest *policy.Route) *policy.Route {
	workers := latest.Workers
	if len(w.Counts) != workers || len(w.Busy) != workers {
		return nil
	}
	f.loads.Observe(w)
	if w.RouteNew && (f.config.Backlog == 0 || !QueuesTold(w)) {
		return nil
	}
	if !w.RouteNew {
		f.speeds.Observe(w.Counts, w.Busy)
	}
	p := Begin(f.config.Plan, f.loads, latest)
	defer p.Done()
	f.speeds.Capacity(p.In.Capacity)
	MakeUp(p.In.Capacity, w, f.config.Backlog)
	noise := Chance(math.Hypot(f.speeds.Deviation(), f.loads.Deviation(workers)), workers)
	return p.Relief(f.config.Gain + f.config.Noise*noise)
}

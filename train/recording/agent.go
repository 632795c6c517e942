package recording

import (
	"math/rand/v2"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
)

// Agent is the controller of a job that a Recurrent learns from: it decides by
// a checkpoint of kind capacity, exploring or not, and records every window. It is for
// one goroutine.
type Agent struct {
	config     learned.Config
	workers    int
	p0         float64
	follower   *learned.ExploringCapacity
	controller policy.Controller
	recording  *Recording
}

var _ policy.Controller = (*Agent)(nil)

// NewAgent returns the agent of a job of P workers at its beginning, which
// explores. Everything random comes from rng; p0 is the performance that earns reward 0.
func NewAgent(c *checkpoint.Checkpoint, config learned.Config, workers int, p0 float64, rng *rand.Rand) (*Agent, error) {
	follower, err := learned.NewExploringCapacity(c, workers, rng)
	if err != nil {
		return nil, err
	}
	a := &Agent{config: config, workers: workers, p0: p0, follower: follower}
	return a, a.Begin()
}

// Begin starts a new episode: another job, or the same one from its beginning. What
// was recorded is left to whoever holds it.
func (a *Agent) Begin() (err error) {
	a.follower.Reset()
	a.recording = New(a.workers, a.p0)
	a.controller, err = learned.NewCapacityController(a.follower, a.config, a.workers)
	return err
}

// Explore says whether it decides with noise from now on.
func (a *Agent) Explore(noise bool) { a.follower.Explore = noise }

// Adopt goes on with newer parameters of the same network.
func (a *Agent) Adopt(c *checkpoint.Checkpoint) error { return a.follower.Adopt(c) }

// Recording is what was recorded of this episode; it grows with every window.
func (a *Agent) Recording() *Recording { return a.recording }

// Decide implements policy.Controller. A window of another number of workers is
// ignored.
func (a *Agent) Decide(w *policy.Window) *policy.Route {
	if a.recording.Add(w) != nil {
		return nil
	}
	return a.controller.Decide(w)
}

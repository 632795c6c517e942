package online

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"

	"github.com/saspart/saspart/engine/fluid"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/policy/plan"
)

// keeper is a Job that can be kept: fluid.Job is one.
type keeper interface {
	State() (fluid.JobState, error)
	Restore(s fluid.JobState) error
}

// capacitySaved is what a capacityEnv on such a job goes on from, between two windows.
// It is written as a gob, which leaves numbers that are NaN and names that are no UTF-8
// as they are.
type capacitySaved struct {
	Job        fluid.JobState
	Follower   learned.PolicyState
	Controller savedController
	Generator  []byte // of the exploring, as rand.PCG marshals it
	Share      []float64
	Window     *policy.Window
	Newest     uint64 // version of the latest route
	Good       *policy.Route
	Back       bool
}

// savedController is a controller's state, with the latest route of its loop.
type savedController struct {
	Loads plan.LoadsState
	Route *policy.Route
	Share []float64
}

// restore makes the controller and its loop what they were when s was saved.
func (s *savedController) restore(e *capacityEnv, newest uint64) error {
	if s.Route == nil {
		return errors.New("the latest route is missing")
	}
	if err := s.Route.Validate(); err != nil {
		return err
	}
	if s.Route.Workers != e.Workers {
		return fmt.Errorf("a route for %d workers, where %d belong", s.Route.Workers, e.Workers)
	}
	latest := *s.Route
	latest.Version = newest
	e.loop.Follow(&latest)
	return e.controller.Restore(learned.ControllerState{Loads: s.Loads, Share: s.Share})
}

// Save implements Env: a job on records can't be kept.
func (e *capacityEnv) Save() ([]byte, error) {
	job, ok := e.job.(keeper)
	if !ok {
		return nil, nil
	}
	state, err := job.State()
	if err != nil {
		return nil, err
	}
	generator, err := e.pcg.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("save the generator: %w", err)
	}
	latest, controller := e.loop.Latest(), e.controller.State()
	var b bytes.Buffer
	err = gob.NewEncoder(&b).Encode(capacitySaved{
		Job: state, Follower: e.follower.State(), Controller: savedController{controller.Loads, latest, controller.Share}, Generator: generator,
		Share: e.step.last, Window: e.window, Newest: latest.Version, Good: e.good, Back: e.back,
	})
	return b.Bytes(), err
}

// Load implements Env. A job on records begins anew, whatever was saved.
func (e *capacityEnv) Load(data []byte) error {
	if err := e.open(); err != nil {
		return err
	}
	job, ok := e.job.(keeper)
	if !ok {
		e.cut()
		return nil
	}
	var s capacitySaved
	err := gob.NewDecoder(bytes.NewReader(data)).Decode(&s)
	if err == nil {
		err = job.Restore(s.Job)
	}
	if err == nil {
		err = e.follower.Restore(s.Follower)
	}
	if err == nil {
		err = s.Controller.restore(e, s.Newest)
	}
	if err == nil {
		err = e.pcg.UnmarshalBinary(s.Generator)
	}
	if err != nil {
		return fmt.Errorf("what was saved of it does not fit; use the experiment that the training was on: %w", err)
	}
	e.step.last, e.window, e.good, e.back = s.Share, s.Window, s.Good, s.Back
	return nil
}

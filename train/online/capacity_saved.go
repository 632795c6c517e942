package online

import (
	"bytes"
	"encoding"
	"encoding/gob"
	"fmt"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/learned"
)

// savedJob is a Job whose state can be saved. fluid.Job is one.
type savedJob interface {
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}

// capacitySaved is what a capacityEnv on such a job goes on from, between two windows.
// It is written as a gob, which leaves numbers that are NaN and names that are no UTF-8
// as they are.
type capacitySaved struct {
	Job        []byte
	Follower   learned.FollowerState
	Controller learned.ControllerState
	Generator  []byte // of the exploring, as rand.PCG marshals it
	Share      []float64
	Window     *policy.Window
	Newest     uint64
	Good       *policy.Route
	Back       bool
}

// Save implements Env: a job on records can't be kept.
func (e *capacityEnv) Save() ([]byte, error) {
	job, ok := e.job.(savedJob)
	if !ok {
		return nil, nil
	}
	state, err := job.MarshalBinary()
	if err != nil {
		return nil, err
	}
	generator, err := e.pcg.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("save the generator: %w", err)
	}
	var b bytes.Buffer
	err = gob.NewEncoder(&b).Encode(capacitySaved{
		Job: state, Follower: e.follower.State(), Controller: e.controller.State(), Generator: generator,
		Share: e.step.last, Window: e.window, Newest: e.newest, Good: e.good, Back: e.back,
	})
	return b.Bytes(), err
}

// Load implements Env. A job on records begins anew, whatever was saved.
func (e *capacityEnv) Load(data []byte) error {
	if err := e.open(); err != nil {
		return err
	}
	job, ok := e.job.(savedJob)
	if !ok {
		e.cut()
		return nil
	}
	var s capacitySaved
	err := gob.NewDecoder(bytes.NewReader(data)).Decode(&s)
	if err == nil {
		err = job.UnmarshalBinary(s.Job)
	}
	if err == nil {
		err = e.follower.Restore(s.Follower)
	}
	if err == nil {
		err = e.controller.Restore(s.Controller)
	}
	if err == nil {
		err = e.pcg.UnmarshalBinary(s.Generator)
	}
	if err != nil {
		return fmt.Errorf("what was saved of it does not fit; use the experiment that the training was on: %w", err)
	}
	e.step.last, e.window, e.newest, e.good, e.back = s.Share, s.Window, s.Newest, s.Good, s.Back
	return nil
}

package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/saspart/saspart/internal/files"
)

// stateFile is the file in a cluster's folder that holds its state.
const stateFile = "cluster.json"

// state describes a cluster that was started.
type state struct {
	Address      string    `json:"address"` // of the REST interface
	Version      string    `json:"version"` // of Flink
	TaskManagers int       `json:"taskmanagers"`
	TaskSlots    int       `json:"slots"`
	Heap         int       `json:"heap"`
	Processes    []process `json:"processes"` // in the order in which they were started
}

// process returns the process of that name, nil if there is none.
func (s *state) process(name string) *process {
	i := slices.IndexFunc(s.Processes, func(p process) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &s.Processes[i]
}

// registered is the number of TaskManagers that are alive and among ids.
func (s *state) registered(ids []string) int {
	n := 0
	for i := range s.Processes {
		if slices.Contains(ids, s.Processes[i].Mark) {
			n++
		}
	}
	return n
}

// read returns the state of the cluster with those of its processes that are alive.
func (c *Cluster) read() (*state, error) {
	text, err := files.Read(c.path(stateFile), files.Text)
	if errors.Is(err, os.ErrNotExist) {
		return &state{}, nil
	}
	if err != nil {
		return nil, err
	}
	s := &state{}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("%s: %w; if the cluster's processes have ended, remove it", c.path(stateFile), err)
	}
	s.Processes = slices.DeleteFunc(s.Processes, func(p process) bool { return !p.alive() })
	return s, nil
}

// write replaces the state file, so that a reader sees all of the old state or all of the new.
func (c *Cluster) write(s *state) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return files.Replace(c.path(stateFile), append(text, '\n'))
}

package stream

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/config/nearest"
)

// Names of the tasks.
const (
	TaskCount     = "count"
	TaskWordcount = "wordcount"
	TaskTDigest   = "tdigest"
)

// TaskNames lists the tasks there are.
func TaskNames() []string { return []string{TaskCount, TaskWordcount, TaskTDigest} }

// TaskConfig chooses a task.
type TaskConfig struct {
	Name        string    `yaml:"name"`        // count, wordcount, tdigest
	Compression float64   `yaml:"compression"` // tdigest: higher is more accurate, larger and slower; a digest of 10,000 values has about ten times as many centroids
	Quantiles   []float64 `yaml:"quantiles"`   // tdigest: which ones results show
}

// DefaultTask is the reference's main task.
func DefaultTask() TaskConfig {
	return TaskConfig{Name: TaskWordcount, Compression: 20, Quantiles: []float64{0.01, 0.25, 0.5, 0.75, 0.99}}
}

// Validate reports every impossible value by its path.
func (c *TaskConfig) Validate() error {
	if _, err := taskPayload(c.Name); err != nil {
		return err
	}
	if c.Name != TaskTDigest {
		return nil
	}
	errs := []error{field.Finite("compression", c.Compression, 5, 1000)}
	for i, q := range c.Quantiles {
		errs = append(errs, field.Finite(fmt.Sprintf("quantiles[%d]", i), q, 0, 1))
	}
	return errors.Join(errs...)
}

// NewTask returns the task that cfg names; an unknown name is an error that
// offers the nearest one.
func NewTask(cfg TaskConfig) (Task, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("task: %w", err)
	}
	switch cfg.Name {
	case TaskWordcount:
		return wordcount{}, nil
	case TaskTDigest:
		return tdigestTask{cfg}, nil
	}
	return count{}, nil
}

// taskPayload is the payload that the task of that name reads.
func taskPayload(name string) (payload, error) {
	switch name {
	case TaskCount:
		return noPayload, nil
	case TaskWordcount:
		return textPayload, nil
	case TaskTDigest:
		return valuesPayload, nil
	}
	return noPayload, field.Errorf("name", "%q is not a task; %s", name, nearest.Explain(name, TaskNames()))
}

// count is the task that counts records per key.
type count struct{}

// Name implements Task.
func (count) Name() string { return TaskCount }

// NewState implements Task.
func (count) NewState() State { return new(countState) }

// Units implements Task: a record is all the work there is.
func (count) Units(*Record) int { return 0 }

type countState int64

func (c *countState) Add(*Record)       { *c++ }
func (c *countState) Merge(other State) { *c += *other.(*countState) }
func (c *countState) Reset()            { *c = 0 }
func (c *countState) Count() int64      { return int64(*c) }
func (c *countState) Size() int         { return 1 }

// AppendText renders the count in decimal.
func (c *countState) AppendText(dst []byte) []byte { return strconv.AppendInt(dst, int64(*c), 10) }

// AppendExact appends the part of a state's rendering that does not depend on how
// its records were split over partial states and in which order those were
// merged: all of it for count and wordcount; count, minimum, maximum and sum of a
// tdigest, whose quantiles are estimates.
func AppendExact(dst []byte, s State) []byte {
	if t, ok := s.(*tdigestState); ok {
		return t.appendExact(dst)
	}
	return s.AppendText(dst)
}

// finite tells whether v is a number that values may have.
func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

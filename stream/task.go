package stream

import (
	"errors"
	"fmt"
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

// taskRow is everything that the rest of the program has to know of a task.
type taskRow struct {
	name     string
	payload  Payload                   // the part of a record that it reads
	validate func(c *TaskConfig) error // nil: it has no settings
	make     func(c TaskConfig) Task
	flink    string // the class of the Flink job that computes it; empty: there is none
}

// taskRows lists the tasks. A new one adds its row here.
func taskRows() []taskRow {
	return []taskRow{
		{name: TaskCount, payload: NoPayload, make: func(TaskConfig) Task { return count{} }, flink: "CountJob"},
		{name: TaskWordcount, payload: TextPayload, make: func(TaskConfig) Task { return wordcount{} }, flink: "WordCountJob"},
		{
			name: TaskTDigest, payload: ValuesPayload, validate: (*TaskConfig).validateTDigest,
			make: func(c TaskConfig) Task { return tdigestTask{c} }, flink: "TDigestJob",
		},
	}
}

// findTask returns the task of that name. The error for an unknown name suggests the nearest
// known one.
func findTask(name string) (taskRow, error) {
	for _, t := range taskRows() {
		if t.name == name {
			return t, nil
		}
	}
	return taskRow{}, field.Errorf("name", "%q is not a task; %s", name, nearest.Explain(name, TaskNames()))
}

// TaskNames lists the tasks there are.
func TaskNames() []string {
	var names []string
	for _, t := range taskRows() {
		names = append(names, t.name)
	}
	return names
}

// FlinkJob returns the class of the Flink job that computes the task of that name.
func FlinkJob(task string) (class string, err error) {
	t, err := findTask(task)
	if err == nil && t.flink == "" {
		err = field.Errorf("name", "is %s, which does not run on flink", task)
	}
	return t.flink, err
}

// TaskConfig chooses a task.
type TaskConfig struct {
	Name        string    `yaml:"name"`        // count, wordcount, tdigest
	Compression float64   `yaml:"compression"` // tdigest: higher is more accurate, larger and slower; a digest of 10,000 values has about ten times this many centroids
	Quantiles   []float64 `yaml:"quantiles"`   // tdigest: those that results show
}

// DefaultTask is the main task of the SaSPartitioner prototype.
func DefaultTask() TaskConfig {
	return TaskConfig{Name: TaskWordcount, Compression: 20, Quantiles: []float64{0.01, 0.25, 0.5, 0.75, 0.99}}
}

// Validate reports every impossible value by its path.
func (c *TaskConfig) Validate() error {
	t, err := findTask(c.Name)
	if err != nil || t.validate == nil {
		return err
	}
	return t.validate(c)
}

func (c *TaskConfig) validateTDigest() error {
	errs := []error{field.Finite("compression", c.Compression, 5, 1000)}
	for i, q := range c.Quantiles {
		errs = append(errs, field.Finite(fmt.Sprintf("quantiles[%d]", i), q, 0, 1))
	}
	return errors.Join(errs...)
}

// NewTask returns the task that cfg names.
func NewTask(cfg TaskConfig) (Task, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("task: %w", err)
	}
	t, _ := findTask(cfg.Name) // Validate has found it
	return t.make(cfg), nil
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
func (c *countState) Bytes() int        { return 8 }

// AppendText renders the count in decimal.
func (c *countState) AppendText(dst []byte) []byte { return strconv.AppendInt(dst, int64(*c), 10) }

// AppendExact appends the part of a result's rendering that does not depend on how its records
// were split over partial states and in which order those were merged. For count and
// wordcount that is everything; for tdigest it is count, minimum, maximum and sum, because
// quantiles are estimates.
func AppendExact(dst []byte, r Result) []byte {
	if e, ok := r.(interface{ appendExact(dst []byte) []byte }); ok {
		return e.appendExact(dst)
	}
	return r.AppendText(dst)
}

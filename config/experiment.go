// Package config is the experiment file: the records of a job, how the job is built, and what
// is tried on it. It only combines the configurations of other packages, which define what
// their values mean and which are possible.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/saspart/saspart/collect"
	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/config/nearest"
	"github.com/saspart/saspart/config/strict"
	"github.com/saspart/saspart/configs"
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/fluid"
	"github.com/saspart/saspart/partition/registry"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// EnvPrefix is the prefix of environment variables that set values of an experiment:
// SASPART_JOB_WORKERS sets job.workers.
const EnvPrefix = "SASPART_"

// Experiment is everything that decides what a run does. Two runs of the same
// experiment on the sim engine give the same bytes.
type Experiment struct {
	Name        string              `yaml:"name"`        // of run folders and traces
	Description string              `yaml:"description"` // one line, for lists and reports
	Seed        uint64              `yaml:"seed"`        // all randomness comes from it
	Task        stream.TaskConfig   `yaml:"task"`        // what is computed per key
	Source      stream.SourceConfig `yaml:"source"`      // the records
	Rate        stream.RateConfig   `yaml:"rate"`        // when they arrive
	Job         engine.Config       `yaml:"job"`         // the workers and their costs
	Fluid       fluid.Options       `yaml:"fluid"`       // the job in closed form, for training and rollouts
	Partitioner registry.Config     `yaml:"partitioner"` // decides where records go
	Mask        policy.MaskConfig   `yaml:"mask"`        // which workers a hot key may use
	Collect     collect.Config      `yaml:"collect"`     // how much to record, and under which behaviours
}

// Default is the main workload of the SaSPartitioner prototype on 8 workers, partitioned by
// hash.
func Default() Experiment {
	return Experiment{
		Name: "experiment", Seed: 1,
		Task: stream.DefaultTask(), Source: stream.DefaultSource(), Rate: stream.DefaultRate(),
		Job: engine.Default(), Fluid: fluid.DefaultOptions(), Partitioner: registry.Default(), Mask: policy.DefaultMask(),
		Collect: collect.Default(),
	}
}

// Has reports whether name is a value, or a group of values, at the top level of an
// experiment.
func Has(name string) bool {
	return slices.ContainsFunc(reflect.VisibleFields(reflect.TypeFor[Experiment]()), func(f reflect.StructField) bool {
		return len(f.Index) == 1 && f.Tag.Get("yaml") == name
	})
}

// Validate reports every impossible value by its path.
func (e *Experiment) Validate() error {
	return errors.Join(
		validateName(e.Name),
		field.Check(!strings.ContainsAny(e.Description, "\r\n"), "description", "has several lines; it must be one"),
		field.In("task", e.Task.Validate()),
		field.In("source", e.validateSource()),
		field.In("rate", e.Rate.Validate()),
		field.In("job", e.Job.Validate()),
		field.In("fluid", e.Fluid.Validate()),
		field.In("partitioner", e.Partitioner.Validate()),
		field.In("mask", e.Mask.Validate()),
		field.In("collect", e.Collect.Validate()),
		e.validateCombine(),
	)
}

// validateCombine refuses aggregation at the senders under any partitioner but hash, because
// what is aggregated there is sent by hash.
func (e *Experiment) validateCombine() error {
	n := e.Partitioner.Name
	return field.Check(e.Job.Combine != engine.CombineLocal || n == "hash",
		"job.combine", "is %s, which sends by hash; use the partitioner hash instead of %s, or set combine to %s", e.Job.Combine, n, engine.CombineNone)
}

// validateSource also checks the source against the task, if that is valid.
func (e *Experiment) validateSource() error {
	if e.Task.Validate() != nil {
		return e.Source.Validate()
	}
	return e.Source.ValidateFor(e.Task.Name)
}

// validateName refuses names that cannot name folders.
func validateName(name string) error {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	return field.Check(name != "" && strings.Trim(name, allowed) == "" && !strings.HasPrefix(name, ".") && len(name) <= 100,
		"name", "is %q; it names folders: up to 100 letters, digits, dots, dashes and underscores, not starting with a dot", name)
}

// Load reads an experiment from the file called name or, if there is no such file, from the
// built-in experiment of that name; an empty name gives the defaults. Values from the
// environment and from flags override it, as package strict describes. The error is an
// *strict.Errors that lists everything that is wrong.
func Load(name string, env []string, set []strict.Override) (*Experiment, *strict.Origins, error) {
	file, text, err := find(name)
	if err != nil {
		return nil, nil, err
	}
	e := Default()
	origins, err := strict.Load(file, text, &e, strict.Layers{Env: env, Prefix: EnvPrefix, Reserved: reserved(), Set: set})
	if err != nil {
		return nil, nil, err
	}
	return &e, origins, nil
}

// Ready returns the built-in experiment of that name, without overrides.
func Ready(name string) (*Experiment, error) {
	text, ok := configs.Read(name)
	if !ok {
		return nil, missing(name, "there is no ready experiment of that name; "+nearest.Explain(name, configs.Names()))
	}
	e := Default()
	if _, err := strict.Load(builtIn(name), text, &e, strict.Layers{}); err != nil {
		return nil, err
	}
	return &e, nil
}

// reserved names the variables that start with EnvPrefix but are read elsewhere.
func reserved() []string { return []string{"SASPART_TRAIN_", "SASPART_PYTHON", "SASPART_FLINK_"} }

// find returns the text of the experiment called name, and its name for messages.
func find(name string) (file string, text []byte, err error) {
	if name == "" {
		return "", nil, nil
	}
	text, err = strict.ReadFile(name)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return name, text, err
	}
	if text, ok := configs.Read(name); ok {
		return builtIn(name), text, nil
	}
	base := strings.TrimSuffix(filepath.Base(name), ".yaml")
	if _, ok := configs.Read(base); ok {
		return "", nil, missing(name, fmt.Sprintf("there is no such file; the ready experiment goes by its name alone, %s", base))
	}
	return "", nil, missing(name, "there is no such file and no ready experiment of that name; "+nearest.Explain(base, configs.Names()))
}

func builtIn(name string) string { return "built-in " + name }

func missing(name, problem string) error {
	return &strict.Errors{{Place: strict.Place{Layer: strict.File, Name: name}, Problem: problem}}
}

package fluid

import (
	"errors"

	"github.com/saspart/saspart/config/field"
)

// ModelName names what the model in closed form of an experiment is.
type ModelName string

const (
	// JobModel is the experiment's own job: its keys, speeds, rate and costs.
	JobModel ModelName = "job"
	// ReferenceModel is the simulated environment of the prototype (ReferenceEnv): ten hot
	// keys and no cold ones, workers of the job's speeds, a speed of 1 being 1e6
	// records per unit of time.
	ReferenceModel ModelName = "reference"
)

// Options say how the model in closed form of an experiment is made.
type Options struct {
	Model ModelName `yaml:"model"` // job; reference: the prototype's simulated environment, which has neither noise nor delay
	Noise float64   `yaml:"noise"` // standard deviation of the factor on measured busy times
	Delay int       `yaml:"delay"` // windows by which measurements are late
}

// DefaultOptions is the experiment's own job, measured at once and exactly.
func DefaultOptions() Options { return Options{Model: JobModel} }

// Validate reports impossible values by their path.
func (o *Options) Validate() error {
	return errors.Join(
		field.Finite("noise", o.Noise, 0, 1), field.Whole("delay", o.Delay, 0, 1<<10),
		field.Check(o.Model == JobModel || o.Model == ReferenceModel, "model", "is %q; it must be %s or %s", o.Model, JobModel, ReferenceModel),
		field.Check(o.Model != ReferenceModel || o.Noise == 0 && o.Delay == 0,
			"model", "is %s, which has neither noise nor delay; set both to 0, or take the model %s", ReferenceModel, JobModel),
	)
}

package scenario

import (
	"errors"

	"github.com/saspart/saspart/config/field"
)

// Config is a law that scenarios are drawn from. Pairs are the bounds of a uniform
// distribution, drawn once per scenario unless stated otherwise. What is 0 in Default is left
// out of the scenarios.
type Config struct {
	Windows     int     `yaml:"windows"`     // T
	Utilisation Range   `yaml:"utilisation"` // rho: work offered over what all workers can do
	Pressure    float64 `yaml:"pressure"`    // part of the scenarios in which a saturated worker slows the whole job, as full queues do

	Change  `yaml:",inline"`
	Measure `yaml:",inline"`
	Job     JobLike `yaml:"job"` // what makes some scenarios resemble a real job
}

// Change says how the workers' speeds change.
type Change struct {
	Spread       Range   `yaml:"spread"`        // h: initial speeds are 1 + h*u, u uniform in -1..1 per worker; below 1
	Walk         Range   `yaml:"walk"`          // standard deviation of a log speed's step per window
	Jump         Range   `yaml:"jump"`          // probability that a worker jumps in a window
	JumpTo       Range   `yaml:"jump_to"`       // factor on a worker's speed from a jump to its next one, per jump
	Regime       Range   `yaml:"regime"`        // probability that all workers jump in a window, each to a factor of its own
	Groups       Count   `yaml:"groups"`        // number of groups whose workers walk, jump and swing together; 0: each by itself
	Wave         Range   `yaml:"wave"`          // amplitude of a periodic log speed, each worker with a phase of its own
	WavePeriod   Range   `yaml:"wave_period"`   // in windows
	WaveSquare   float64 `yaml:"wave_square"`   // part of the waves that switch between two speeds; the others are sines
	Drift        Range   `yaml:"drift"`         // standard deviation of a log speed that wanders around a mean, as the cost of a worker's keys does
	DriftWindows Range   `yaml:"drift_windows"` // after so many windows its correlation is 1/e
	Pause        Range   `yaml:"pause"`         // probability that a worker pauses in a window
	PauseTo      Range   `yaml:"pause_to"`      // factor on its speed, per pause
	PauseFor     Count   `yaml:"pause_for"`     // in windows, per pause
}

// Measure says how busy times are measured.
type Measure struct {
	Noise         Range   `yaml:"noise"`          // sigma: measured busy times are multiplied by 1 + sigma*e, e normal
	NoiseDegrees  Count   `yaml:"noise_degrees"`  // degrees of freedom of e if it is of Student's distribution; 0: normal
	NoisePersists Range   `yaml:"noise_persists"` // correlation of e with that of the window before; below 1
	NoiseShared   Range   `yaml:"noise_shared"`   // part of its variance that the workers of a group share
	Outlier       Range   `yaml:"outlier"`        // probability that a busy time is multiplied by a wrong factor
	OutlierBy     Range   `yaml:"outlier_by"`     // that factor, uniform in the logarithm, per outlier
	Records       Range   `yaml:"records"`        // records per worker and window, uniform in the logarithm: what workers get, and how long it takes, varies by chance; 0: not
	Delay         Count   `yaml:"delay"`          // number of windows since the work of the busy times was routed
	Reports       float64 `yaml:"reports"`        // part of the scenarios in which reports are delayed instead of work
	Missing       Range   `yaml:"missing"`        // part of a worker's reports that are missing, in the long run; below 1
	MissingFor    Count   `yaml:"missing_for"`    // number of reports in a row that are missing at a time, drawn each time
	Idle          Range   `yaml:"idle"`           // part of the workers that report nothing at the start
	IdleFor       Count   `yaml:"idle_for"`       // in windows, per worker
}

// JobLike makes scenarios resemble a real job. Such a job measures with little noise and
// without delay, a saturated worker slows the others, and its route only approximates the
// capacities that were decided. The zero value changes nothing.
type JobLike struct {
	Part   float64 `yaml:"part"`   // part of the scenarios that resemble a job
	Noise  Range   `yaml:"noise"`  // their sigma, uniform in the logarithm
	Steady float64 `yaml:"steady"` // part of those in which speeds do not change
	Walk   Range   `yaml:"walk"`   // as in Config, for the others
	Start  Range   `yaml:"start"`  // standard deviation of the logarithms of the first window's shares
	Lumps  Range   `yaml:"lumps"`  // the same for the difference between capacities and shares in force: keys and slots are not divisible
	Chance Range   `yaml:"chance"` // the same for the difference between shares in force and what workers got in a window
}

// Default is the law of docs/algorithms.md, "The scenarios".
func Default() Config {
	return Config{
		Windows: 64, Utilisation: Range{0.5, 0.95},
		Change:  Change{Spread: Range{0, 0.6}, Walk: Range{0, 0.02}, Jump: Range{0, 0.008}, JumpTo: Range{0.4, 1.5}},
		Measure: Measure{Noise: Range{0.01, 0.15}, Delay: Count{0, 3}},
	}
}

// Validate reports impossible values by their path.
func (c *Config) Validate() error {
	errs := []error{
		field.Whole("windows", c.Windows, 1, 1<<20),
		field.Finite("pressure", c.Pressure, 0, 1),
		field.Finite("wave_square", c.WaveSquare, 0, 1),
		field.Finite("reports", c.Reports, 0, 1),
		field.Finite("job.part", c.Job.Part, 0, 1),
		field.Finite("job.steady", c.Job.Steady, 0, 1),
	}
	pair := func(path string, pair Range, lo, hi float64) {
		errs = append(errs, field.Finite(path+"[0]", pair[0], lo, hi), field.Finite(path+"[1]", pair[1], pair[0], hi))
	}
	whole := func(path string, pair Count, lo, hi int) {
		errs = append(errs, field.Whole(path+"[0]", pair[0], lo, hi), field.Whole(path+"[1]", pair[1], pair[0], hi))
	}
	for _, r := range []struct {
		path   string
		pair   Range
		lo, hi float64
	}{
		{"utilisation", c.Utilisation, 1e-3, 100},
		{"spread", c.Spread, 0, 0.99}, {"walk", c.Walk, 0, 1},
		{"jump", c.Jump, 0, 1}, {"regime", c.Regime, 0, 1}, {"wave", c.Wave, 0, 3}, {"drift", c.Drift, 0, 3}, {"pause", c.Pause, 0, 1},
		{"noise", c.Noise, 0, 1}, {"noise_persists", c.NoisePersists, 0, 0.999}, {"noise_shared", c.NoiseShared, 0, 1},
		{"outlier", c.Outlier, 0, 1}, {"missing", c.Missing, 0, 0.99}, {"idle", c.Idle, 0, 1},
		{"job.walk", c.Job.Walk, 0, 1}, {"job.start", c.Job.Start, 0, 3}, {"job.lumps", c.Job.Lumps, 0, 1}, {"job.chance", c.Job.Chance, 0, 1},
	} {
		pair(r.path, r.pair, r.lo, r.hi)
	}
	whole("delay", c.Delay, 0, 1<<16)
	whole("groups", c.Groups, 0, 1<<16)
	if c.NoiseDegrees[1] != 0 {
		whole("noise_degrees", c.NoiseDegrees, 1, 1000)
	}
	if c.Records[1] != 0 {
		pair("records", c.Records, 1, 1e12)
	}
	// What counts only beside another setting has to be possible only then.
	for _, r := range []struct {
		path   string
		pair   Range
		with   float64
		lo, hi float64
	}{
		{"jump_to", c.JumpTo, max(c.Jump[1], c.Regime[1]), 1e-3, 1e3},
		{"wave_period", c.WavePeriod, c.Wave[1], 1, 1e6},
		{"drift_windows", c.DriftWindows, c.Drift[1], 0.1, 1e6},
		{"pause_to", c.PauseTo, c.Pause[1], 1e-3, 1e3},
		{"outlier_by", c.OutlierBy, c.Outlier[1], 1e-3, 1e3},
		{"job.noise", c.Job.Noise, c.Job.Part, 1e-9, 1},
	} {
		if r.with > 0 {
			pair(r.path, r.pair, r.lo, r.hi)
		}
	}
	for _, r := range []struct {
		path string
		pair Count
		with float64
	}{{"pause_for", c.PauseFor, c.Pause[1]}, {"missing_for", c.MissingFor, c.Missing[1]}, {"idle_for", c.IdleFor, c.Idle[1]}} {
		if r.with > 0 {
			whole(r.path, r.pair, 1, 1<<16)
		}
	}
	return errors.Join(errs...)
}

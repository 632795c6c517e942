package rate

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/saspart/saspart/config/field"
)

// Method is how the highest rate is looked for.
type Method string

const (
	// Bracket starts the job anew at each rate and closes in on the limit (Search).
	Bracketed Method = "bracket"
	// Ramped raises the rate of one job until it is blocked (docs/algorithms.md,
	// "Sustainable rate").
	Ramped Method = "ramp"
)

// Config says how rates are measured.
type Config struct {
	Method    Method     `yaml:"method"`     // bracket, ramp
	Warmup    int        `yaml:"warmup"`     // metric windows before those measured; the first half of them at lower rates
	Windows   int        `yaml:"windows"`    // metric windows measured, at each rate
	Tolerance float64    `yaml:"tolerance"`  // bracket: lowest rate not held over highest held, less 1
	Slack     float64    `yaml:"slack"`      // a rate is held if no more than this share of what is due is left over
	Probes    int        `yaml:"probes"`     // bracket: at most so many rates are tried
	LatencyAt []float64  `yaml:"latency_at"` // parts of the highest rate at which latencies are measured; 0.8 is the one in tables
	Ramp      RampConfig `yaml:"ramp"`
}

// RampConfig is SaSPartitioner's throughput test (docs/algorithms.md, "Sustainable
// rate").
type RampConfig struct {
	Start    float64       `yaml:"start"`    // the warm-up rate, as a part of the experiment's
	Interval time.Duration `yaml:"interval"` // of the job's time, a multiple of its metric window, after which the rate goes up
	Step     float64       `yaml:"step"`     // records/s that it goes up at least
	Most     float64       `yaml:"most"`     // records/s that it goes up at most, where the step is not larger
	Steps    int           `yaml:"steps"`    // at most so many
}

// Default closes the bracket to 1 %, and measures latency at 80 % of what a
// partitioner holds.
func Default() Config {
	return Config{
		Method: Bracketed, Warmup: 12, Windows: 12, Tolerance: 0.01, Slack: 0.005, Probes: 24, LatencyAt: []float64{0.8},
		Ramp: RampConfig{Start: 0.5, Interval: 10 * time.Second, Step: 200, Most: 10_000, Steps: 500},
	}
}

// ForCluster returns c for jobs in several processes, whose probes are less certain. The
// slack is larger, and the search ends sooner unless asked is set: the user gave a
// tolerance.
func (c Config) ForCluster(asked bool) Config {
	c.Slack = max(c.Slack, 0.02)
	if !asked {
		c.Tolerance = max(c.Tolerance, 0.05)
	}
	return c
}

// Validate reports every impossible value by its path.
func (c *Config) Validate() error {
	errs := []error{
		field.Check(c.Method == Bracketed || c.Method == Ramped, "method", "is %q; it must be %s or %s", c.Method, Bracketed, Ramped),
		field.Whole("warmup", c.Warmup, 0, 1<<20),
		field.Whole("windows", c.Windows, 1, 1<<20),
		field.Finite("tolerance", c.Tolerance, 1e-4, 1),
		field.Finite("slack", c.Slack, 0, 0.5),
		field.Whole("probes", c.Probes, 2, 1000),
		field.In("ramp", c.Ramp.validate()),
	}
	for i, at := range c.LatencyAt {
		errs = append(errs, field.Finite(fmt.Sprintf("latency_at[%d]", i), at, 0.01, 1))
	}
	return errors.Join(errs...)
}

func (c *RampConfig) validate() error {
	return errors.Join(
		field.Finite("start", c.Start, 1e-6, 1e6),
		field.Finite("step", c.Step, 1e-3, math.MaxFloat64),
		field.Finite("most", c.Most, 0, math.MaxFloat64),
		field.Whole("steps", c.Steps, 1, 1<<20),
		field.Lasting("interval", c.Interval),
	)
}

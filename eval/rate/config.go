package rate

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/saspart/saspart/config/field"
)

// Method says how the sustainable rate is searched for.
type Method string

const (
	// Bracketed starts a new job at each rate and closes a bracket around the limit (Search).
	Bracketed Method = "bracket"
	// Ramped raises the rate of one job until it is blocked (docs/algorithms.md,
	// "Sustainable rate").
	Ramped Method = "ramp"
)

// Config says how rates are measured.
type Config struct {
	Method    Method     `yaml:"method"`     // bracket, ramp
	Warmup    int        `yaml:"warmup"`     // metric windows before those that are measured; the first half has lower rates
	Windows   int        `yaml:"windows"`    // metric windows measured, at each rate
	Tolerance float64    `yaml:"tolerance"`  // bracket: lowest rate that was not sustained over highest that was, minus 1
	Slack     float64    `yaml:"slack"`      // a rate is sustained if at most this part of the due records is not processed
	Probes    int        `yaml:"probes"`     // bracket: number of rates tried at most
	LatencyAt []float64  `yaml:"latency_at"` // parts of the sustainable rate at which latencies are measured; tables show that at 0.8
	Ramp      RampConfig `yaml:"ramp"`
}

// RampConfig is SaSPartitioner's throughput test (docs/algorithms.md, "Sustainable
// rate").
type RampConfig struct {
	Start    float64       `yaml:"start"`    // the warm-up rate, as a part of the experiment's
	Interval time.Duration `yaml:"interval"` // of the job's time, a multiple of its metric window, after which the rate increases
	Step     float64       `yaml:"step"`     // least increase, in records/s
	Most     float64       `yaml:"most"`     // largest increase, in records/s, unless step is larger
	Steps    int           `yaml:"steps"`    // at most
}

// Default closes the bracket to 1 %, and measures latency at 80 % of the sustainable rate.
func Default() Config {
	return Config{
		Method: Bracketed, Warmup: 12, Windows: 12, Tolerance: 0.01, Slack: 0.005, Probes: 24, LatencyAt: []float64{0.8},
		Ramp: RampConfig{Start: 0.5, Interval: 10 * time.Second, Step: 200, Most: 10_000, Steps: 500},
	}
}

// ForCluster returns c for jobs on a cluster, whose probes are less precise: the slack is
// larger, and so is the tolerance, unless asked says that the user set it.
func (c Config) ForCluster(asked bool) Config {
	c.Slack = max(c.Slack, 0.02)
	if !asked {
		c.Tolerance = max(c.Tolerance, 0.05)
	}
	return c
}

// Validate reports every impossible value by its path.
func (c *Config) Validate() error {
	var method error
	if c.Method != Bracketed && c.Method != Ramped {
		method = field.Errorf("method", "is %q; it must be %s or %s", c.Method, Bracketed, Ramped)
	}
	errs := []error{
		method,
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
	errs := []error{
		field.Finite("start", c.Start, 1e-6, 1e6),
		field.Finite("step", c.Step, 1e-3, math.MaxFloat64),
		field.Finite("most", c.Most, 0, math.MaxFloat64),
		field.Whole("steps", c.Steps, 1, 1<<20),
	}
	if c.Interval <= 0 {
		errs = append(errs, field.Errorf("interval", "is %v; it must be above 0", c.Interval))
	}
	return errors.Join(errs...)
}

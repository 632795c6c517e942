package rate

import (
	"time"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/experiment"
	"github.com/saspart/saspart/policy"
)

// CPU is processor time, in seconds per million records finished.
type CPU struct {
	Workers  float64 `json:"workers"`
	Reducers float64 `json:"reducers"`
	// Routing is timed on this machine, unless the job's costs have it (job.costs.route); 0: neither.
	Routing float64 `json:"routing"`
	// Process is what the whole process really took, sources and sinks included: of native
	// workers in this process, whose busy times include waiting for a core. 0: not measured.
	Process float64 `json:"process,omitempty"`
}

// Total is Process or, where that is not measured, the sum of the parts.
func (c CPU) Total() float64 {
	if c.Process > 0 {
		return c.Process
	}
	return c.Workers + c.Reducers + c.Routing
}

// CPUMeter adds up the processor time of a job's windows.
type CPUMeter struct {
	route   float64              // ns per record, of the job's costs; 0: unknown
	process func() time.Duration // nil: busy times are the job's processor time
	began   time.Duration        // of process
	spent   time.Duration

	workers, reducers float64 // seconds
	records           int64
}

// NewCPUMeter returns a meter of windows of e's job on an engine.
func NewCPUMeter(e *config.Experiment, on string) *CPUMeter {
	m := &CPUMeter{}
	if on == experiment.Sim {
		m.route = float64(e.Job.Costs.Route.Nanoseconds())
	}
	if on == experiment.Local && e.Job.Execution == engine.Native {
		m.process = processTime
	}
	m.Reset()
	return m
}

// Reset forgets the windows so far.
func (m *CPUMeter) Reset() {
	*m = CPUMeter{route: m.route, process: m.process}
	m.began = m.passed()
}

func (m *CPUMeter) passed() time.Duration {
	if m.process == nil {
		return 0
	}
	return m.process()
}

// Add adds the window that has ended.
func (m *CPUMeter) Add(w *policy.Window) {
	length := (w.End - w.Start).Seconds()
	m.records += w.Records
	m.workers += length * sum(w.Busy)
	m.reducers += length * sum(w.Reducer)
	m.spent = m.passed() - m.began
}

// CPU returns the processor time per million records. route is how long it took to route a
// record, in ns; 0: not measured.
func (m *CPUMeter) CPU(route float64) CPU {
	if m.route > 0 {
		route = m.route
	}
	c := CPU{Routing: route / 1000} // ns per record are ms per million records
	if millions := float64(m.records) / 1e6; millions > 0 {
		c.Workers, c.Reducers, c.Process = m.workers/millions, m.reducers/millions, m.spent.Seconds()/millions
	}
	return c
}

// sum adds up busy ratios, without those that were not measured.
func sum(busy []float64) float64 {
	total := 0.0
	for _, b := range busy {
		if b == b {
			total += b
		}
	}
	return total
}

package fluid

import (
	"bytes"
	"encoding/gob"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/policy"
)

// shifted is a route that gives each slot to a later worker, and splits a key.
func shifted(workers, by int, heaviest policy.HotKey) *policy.Route {
	r := policy.HashRoute(workers)
	r.Version = uint64(by)
	for i, w := range r.Slots {
		r.Slots[i] = uint16((int(w) + by) % workers)
	}
	r.Keys = []policy.KeyRoute{{Hash: heaviest.Hash, Name: heaviest.Name, Workers: []uint16{0, uint16(workers - 1)}, Shares: []float64{0.3, 0.7}}}
	return r
}

// A job that was written, read and restored measures what an uninterrupted job measures, to
// the last bit.
func TestJobState(t *testing.T) {
	other := ZipfKeys(50, 1, policy.SlotCount(3))
	for _, tc := range []struct {
		why    string
		change func(*Config)
		at     int // windows before it is kept
	}{
		{"exact and at once", func(*Config) {}, 7},
		{"with noise", func(c *Config) { c.Noise = 0.2 }, 7},
		{"late, on a full ring", func(c *Config) { c.Noise, c.Delay = 0.2, 3 }, 9},
		{"late, before the ring is full", func(c *Config) { c.Delay = 3 }, 2},
		{"before the first window", func(c *Config) { c.Noise, c.Delay = 0.2, 2 }, 0},
		{"overloaded", func(c *Config) { c.Utilisation = 2 }, 5},
		{"keys and speeds have changed, some of them within the ring", func(c *Config) {
			c.Delay = 4
			c.Shift = func(step int) *KeySpace {
				switch step {
				case 4:
					return other
				case 8, 11:
					return c.Keys
				}
				return nil
			}
			c.Drift = func() engine.Drift { return func(step int, speeds []float64) { speeds[step%3] *= 1.1 } }
		}, 10},
	} {
		t.Run(tc.why, func(t *testing.T) {
			c := Default([]float64{1, 0.5, 2})
			c.Keys, c.Records = ZipfKeys(50, 1.5, policy.SlotCount(3)), 10_000
			tc.change(&c)
			job := newJob(t, c)
			run := func(j *Job, from, to int) (windows []*policy.Window) {
				for step := from; step < to; step++ {
					if step%3 == 1 {
						if err := j.Apply(policy.Decision{Route: shifted(3, step, c.Keys.Keys()[0])}); err != nil {
							t.Fatal(err)
						}
					}
					w, err := j.Next(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					windows = append(windows, w)
				}
				return windows
			}
			run(job, 0, tc.at)
			if tc.at == 7 { // decided on, but not in force in any window yet
				if err := job.Apply(policy.Decision{Route: shifted(3, 70, c.Keys.Keys()[1])}); err != nil {
					t.Fatal(err)
				}
			}
			again := newJob(t, c)
			run(again, 0, 5) // what it did before does not matter
			if err := again.Restore(written(t, job)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(run(job, tc.at, tc.at+12), run(again, tc.at, tc.at+12)); diff != "" {
				t.Errorf("(-never stopped +restored):\n%s", diff)
			}
		})
	}
}

func newJob(t *testing.T, c Config) *Job {
	t.Helper()
	job, err := NewJob(c)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// written is a job's state after it was written and read.
func written(t *testing.T, job *Job) (s JobState) {
	t.Helper()
	state, err := job.State()
	var b bytes.Buffer
	if err == nil {
		err = gob.NewEncoder(&b).Encode(state)
	}
	if err == nil {
		err = gob.NewDecoder(&b).Decode(&s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestJobRestoreRefuses: a state of another job changes nothing.
func TestJobRestoreRefuses(t *testing.T) {
	c := Default([]float64{1, 0.5, 2})
	c.Delay, c.Noise = 2, 0.1
	job := newJob(t, c)
	for range 5 {
		if _, err := job.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	before := written(t, job)
	for why, change := range map[string]func(*JobState){
		"of another delay":                func(s *JobState) { s.Past = s.Past[:2] },
		"of a model of another delay":     func(s *JobState) { s.Model.Done = s.Model.Done[:2] },
		"of other workers":                func(s *JobState) { s.Routes = []*policy.Route{policy.HashRoute(4)} },
		"of a model with other workers":   func(s *JobState) { s.Model.Speeds = s.Model.Speeds[:2] },
		"with a damaged route":            func(s *JobState) { s.Routes[0].Slots = s.Routes[0].Slots[:5] },
		"without a route":                 func(s *JobState) { s.Routes[0] = nil },
		"with a route that is not there":  func(s *JobState) { s.Now = 1 },
		"with a window of no route":       func(s *JobState) { s.Past[1] = -1 },
		"without a generator":             func(s *JobState) { s.Model.Generator = nil },
		"of a time before the first step": func(s *JobState) { s.Model.Step = -1 },
	} {
		s := written(t, job)
		change(&s)
		if err := job.Restore(s); err == nil {
			t.Errorf("a state %s is taken", why)
		}
		if diff := cmp.Diff(before, written(t, job)); diff != "" {
			t.Errorf("a state %s changes the job (-before +after):\n%s", why, diff)
		}
	}
}

package scenario

import (
	"errors"
	"fmt"

	"github.com/saspart/saspart/config/field"
)

// Population is a mixture of laws, as a file of scenarios holds it
// (docs/algorithms.md, "The scenarios").
type Population struct {
	Laws []Law `yaml:"laws"`
}

// Law is one of the laws of a population. What it leaves out is as in Default.
type Law struct {
	Name   string  `yaml:"name"`
	Weight float64 `yaml:"weight"` // part of the scenarios, relative to the other laws' weights
	Config `yaml:",inline"`
}

// SetDefaults implements strict.Defaulter.
func (l *Law) SetDefaults() { l.Weight, l.Config = 1, Default() }

// Plain is the population of Default alone.
func Plain() Population {
	return Population{Laws: []Law{{Name: "default", Weight: 1, Config: Default()}}}
}

// Windows is T, which all laws have in common.
func (p *Population) Windows() int { return p.Laws[0].Windows }

// Validate reports impossible values by their path.
func (p *Population) Validate() error {
	if len(p.Laws) == 0 {
		return field.Errorf("laws", "are empty; scenarios need at least one")
	}
	var errs []error
	sum := 0.0
	for i := range p.Laws {
		l, path := &p.Laws[i], fmt.Sprintf("laws[%d]", i)
		errs = append(errs, field.In(path, l.Validate()), field.Finite(path+".weight", l.Weight, 0, 1e6))
		if l.Windows != p.Laws[0].Windows {
			errs = append(errs, field.Errorf(path+".windows", "is %d, where the first law's are %d; a batch has scenarios of one length", l.Windows, p.Laws[0].Windows))
		}
		if l.Name == "" {
			errs = append(errs, field.Errorf(path+".name", "is empty"))
		}
		for _, other := range p.Laws[:i] {
			if other.Name == l.Name {
				errs = append(errs, field.Errorf(path+".name", "is %q, the name of another law too", l.Name))
			}
		}
		sum += l.Weight
	}
	if !(sum > 0) {
		errs = append(errs, field.Errorf("laws", "have no weight"))
	}
	return errors.Join(errs...)
}

// New draws a law and then a scenario of it. The same seed gives the same scenario; p must be
// valid.
func (p *Population) New(workers int, seed uint64) *Scenario {
	sum := 0.0
	for i := range p.Laws {
		sum += p.Laws[i].Weight
	}
	at, last := sum*drawsOf(seed, 0x1a35).Float64(), 0
	for i := range p.Laws {
		if p.Laws[i].Weight == 0 {
			continue
		}
		if last = i; at < p.Laws[i].Weight {
			break
		}
		at -= p.Laws[i].Weight
	}
	return New(p.Laws[last].Config, workers, seed)
}

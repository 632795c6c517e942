package client

import (
	"time"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/serve/internal/standin"
	"github.com/saspart/saspart/serve/reports"
)

// remembered is how many windows the analytic route is computed from when it takes
// over: more than its estimates remember.
const remembered = 24

// versionGap is how far the version of an analytic route is past the one in force, so
// that no route which the server sent meanwhile has the same.
const versionGap = 1 << 20

// fallback decides when the analytic route takes over and computes it. It is pure: the
// time is passed in. While the server answers it only keeps the last windows; they are
// worked through when they are needed.
type fallback struct {
	config    *Config
	assembler *reports.Assembler
	windows   []*reports.Assembled
	last      time.Time        // the server's last answer, or the first report
	analytic  *standin.Standin // nil: the server decides
	newest    uint64           // number of the latest window that was reported on
	known     *policy.Route    // the route in force that the assembler knows of
}

func newFallback(c *Config) *fallback {
	f := &fallback{config: c, assembler: reports.NewAssembler(c.Shape, c.Window)}
	f.assembler.Know(policy.HashRoute(c.Shape.Workers))
	return f
}

// report takes in a report, force being the route in force, and returns the analytic
// route to follow from now on, nil to keep the one in force, and whether the analytic
// route takes over with this report.
func (f *fallback) report(now time.Time, r *reports.Report, force *policy.Route) (next *policy.Route, began bool) {
	if f.last.IsZero() {
		f.last = now
	}
	if force != f.known {
		f.assembler.Know(force)
		f.known = force
	}
	f.newest = max(f.newest, r.Slide/uint64(f.config.Shape.Slides))
	fresh := 0
	if f.assembler.Add(now, r) == nil {
		for a := f.assembler.Next(now); a != nil; a = f.assembler.Next(now) {
			if len(f.windows) == remembered {
				f.assembler.Release(f.windows[0])
				f.windows = append(f.windows[:0], f.windows[1:]...)
			}
			f.windows = append(f.windows, a)
			fresh++
		}
	}
	if f.analytic == nil {
		if now.Sub(f.last) < f.config.StaleAfter || len(f.windows) == 0 {
			return nil, false
		}
		f.analytic = standin.New(policy.NewWaterfill(f.config.Waterfill, f.config.Shape.Workers))
		for _, w := range f.windows[:len(f.windows)-1] {
			f.analytic.Watch(w.Window)
		}
		fresh, began = 1, true
	}
	for _, w := range f.windows[len(f.windows)-min(fresh, len(f.windows)):] {
		if route := f.analytic.Decide(w.Window); route != nil {
			route.Version += versionGap
			if next != nil || force != nil && route.Version <= force.Version {
				route.Version = max(version(force), version(next)) + versionGap
			}
			next = route
		}
	}
	return next, began
}

func version(r *policy.Route) uint64 {
	if r == nil {
		return 0
	}
	return r.Version
}

// answered tells of an answer of the server to a window, and reports whether it is
// fresh, for an answer to what was measured longer than StaleAfter ago is none, and
// whether it ends the analytic route's time.
func (f *fallback) answered(now time.Time, window uint64) (fresh, ended bool) {
	age := time.Duration(min(f.newest-min(window, f.newest), 1<<20)) * f.config.Shape.Window()
	if age > f.config.StaleAfter {
		return false, false
	}
	ended = f.analytic != nil
	f.last, f.analytic = now, nil
	return true, ended
}

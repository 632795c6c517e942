package client

import (
	"slices"
	"sync"
	"time"

	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/plan"
	"github.com/saspart/saspart/serve/wire"
)

// The analytic route takes over from so many windows: more than its estimates
// remember. Where windows have many slides, they are of so many slides, or windows, at
// least.
const (
	remembered   = 24
	leastSlides  = 64
	leastWindows = 4
)

// versionGap is how far the version of an analytic route is past the one in force, so
// that no route which the server sent meanwhile has the same.
const versionGap = 1 << 20

// fallback decides when the analytic route takes over and computes it; never for a
// client without partitioners, which follows no route and gets no answers. It is pure:
// the time is passed in. While the server answers it only keeps the last reports; they are
// worked through when they are needed.
type fallback struct {
	config    *Config
	hello     *wire.Hello // of the client's streams
	kept      []arrival
	slides    uint64             // that kept goes back
	routes    []*policy.Route    // the last few that were in force
	last      time.Time          // the server's last answer, or the first report
	assembler *reports.Assembler // with analytic
	loop      *loop.Loop         // of the analytic controller; nil: the server decides
	newest    uint64             // the latest slide that was reported on
}

// report is a report as it is sent, and kept: encoded, it is a quarter as large.
type report struct {
	slide  uint64
	routed bool // it tells of a route
	frame  wire.Frame
}

// encodings is memory to encode in.
var encodings = sync.Pool{New: func() any { return new([]byte) }}

func encode(r *reports.Report) *report {
	b := encodings.Get().(*[]byte)
	defer encodings.Put(b)
	*b = wire.AppendReport((*b)[:0], r)
	return &report{r.Slide, r.Route != nil, slices.Clone(*b)}
}

// arrival is a report and when it came.
type arrival struct {
	at     time.Time
	report *report
}

func newFallback(c *Config) *fallback {
	slides := min(remembered*c.Shape.Slides, max(leastSlides, leastWindows*c.Shape.Slides))
	return &fallback{config: c, hello: c.hello(), slides: uint64(slides), routes: []*policy.Route{policy.HashRoute(c.Shape.Workers)}}
}

// report takes in a report, force being the route in force, and returns the analytic
// route to follow from now on, nil to keep the one in force, and whether the analytic
// route takes over with this report.
func (f *fallback) report(now time.Time, r *report, force *policy.Route) (next *policy.Route, began bool) {
	if len(f.hello.Partitioners) == 0 {
		return nil, false
	}
	if f.last.IsZero() {
		f.last = now
	}
	f.newest = max(f.newest, r.slide)
	f.know(force)
	f.keep(arrival{now, r})
	var over []*reports.Assembled
	if f.loop != nil {
		over = f.assemble(arrival{now, r})
	} else {
		if now.Sub(f.last) < f.config.StaleAfter {
			return nil, false
		}
		if over, began = f.takeOver(); !began {
			return nil, false
		}
	}
	for _, a := range over {
		if route := f.loop.Step(a.Window); route != nil {
			next = route
		}
		a.Release()
	}
	return next, began
}

// know notes the route in force: reports name it by its version.
func (f *fallback) know(force *policy.Route) {
	if force == nil || force == f.routes[len(f.routes)-1] {
		return
	}
	if len(f.routes) == mostRoutes {
		f.routes = append(f.routes[:0], f.routes[1:]...)
	}
	f.routes = append(f.routes, force)
	if f.loop != nil {
		f.assembler.Know(force)
		f.loop.Follow(force)
	}
}

// mostRoutes is how many routes are known at a time, as in an assembler.
const mostRoutes = 8

// keep keeps a report, and no older ones than may be needed.
func (f *fallback) keep(a arrival) {
	most := f.slides * uint64(f.config.Shape.Workers+f.config.Shape.Partitioners+f.config.Shape.Reducers)
	old := 0
	for old < len(f.kept) && (f.newest-f.kept[old].report.slide >= f.slides || uint64(len(f.kept)-old) >= most) {
		old++
	}
	f.kept = append(slices.Delete(f.kept, 0, old), a)
}

// takeOver has the analytic controller learn from the windows so far and returns the
// last of them, to be decided on. It reports false if there is none.
func (f *fallback) takeOver() ([]*reports.Assembled, bool) {
	workers := f.config.Shape.Workers
	f.assembler = reports.NewAssembler(f.config.Shape, f.config.Window)
	analytic := loop.New(loop.Config{Workers: workers, Controller: plan.NewWaterfill(f.config.Waterfill, workers), Gap: versionGap})
	for _, r := range f.routes {
		f.assembler.Know(r)
		analytic.Follow(r)
	}
	var last *reports.Assembled
	for _, k := range f.kept {
		for _, a := range f.assemble(k) {
			if last != nil {
				analytic.Observe(last.Window)
				analytic.Decide()
				last.Release()
			}
			last = a
		}
	}
	if last == nil {
		f.assembler = nil
		return nil, false
	}
	f.loop = analytic
	return []*reports.Assembled{last}, true
}

// assemble returns the windows that are over with a report. One that the server would
// not take is left out here too.
func (f *fallback) assemble(k arrival) []*reports.Assembled {
	add := func(r *reports.Report) error { return f.assembler.Add(k.at, r) }
	if _, err := wire.TakeReport(k.report.frame, f.hello, nil, add); err != nil {
		return nil
	}
	var over []*reports.Assembled
	for a := f.assembler.Next(k.at); a != nil; a = f.assembler.Next(k.at) {
		over = append(over, a)
	}
	return over
}

// answered tells of an answer of the server to a window, and reports whether it is
// fresh, for an answer to what was measured longer than StaleAfter ago is none, and
// whether it ends the analytic route's time.
func (f *fallback) answered(now time.Time, window uint64) (fresh, ended bool) {
	newest := f.newest / uint64(f.config.Shape.Slides)
	age := time.Duration(min(newest-min(window, newest), 1<<20)) * f.config.Shape.Window()
	if age > f.config.StaleAfter {
		return false, false
	}
	ended = f.loop != nil
	f.last, f.loop, f.assembler = now, nil, nil
	return true, ended
}

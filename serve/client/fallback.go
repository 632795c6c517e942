package client

import (
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/plan"
	"github.com/saspart/saspart/serve/wire"
)

// The analytic controller starts from the last 24 windows, which is more than its estimates
// remember. Windows of many slides would be too much to keep: of those it has 64 slides, but
// at least four windows.
const (
	remembered   = 24
	leastSlides  = 64
	leastWindows = 4
)

// versionGap is the distance between the version of an analytic route and the latest one:
// the server may be numbering routes at the same time, and no version may be used twice.
const versionGap = 1 << 20

// fallback decides when the analytic controller takes over, and drives its loop. A client
// without partitioners needs none: it follows no route and gets no answers. While the server
// answers, only the last reports are kept; the analytic controller processes them when it
// takes over. fallback is pure: the time is passed in.
type fallback struct {
	config    *Config
	hello     *wire.Hello // of the client's streams
	kept      []arrival
	slides    uint64             // covered by kept
	routes    []*policy.Route    // the last few that were in force
	last      time.Time          // the server's last answer, or the first report
	assembler *reports.Assembler // of the windows for loop
	loop      *loop.Loop         // of the analytic controller; nil: the server decides
	newest    uint64             // the latest slide reported
}

// report is an encoded report, for sending and keeping: a quarter of the size in memory.
type report struct {
	slide  uint64
	routed bool // it carries a route
	frame  wire.Frame
}

// encodings holds buffers to encode into.
var encodings = sync.Pool{New: func() any { return new([]byte) }}

func encode(r *reports.Report) *report {
	b := encodings.Get().(*[]byte)
	defer encodings.Put(b)
	*b = wire.AppendReport((*b)[:0], r)
	return &report{r.Slide, r.Route != nil, slices.Clone(*b)}
}

// arrival is a report and the time at which it was made.
type arrival struct {
	at     time.Time
	report *report
}

func newFallback(c *Config) *fallback {
	slides := min(remembered*c.Shape.Slides, max(leastSlides, leastWindows*c.Shape.Slides))
	return &fallback{config: c, hello: c.hello(), slides: uint64(slides), routes: []*policy.Route{policy.HashRoute(c.Shape.Workers)}}
}

// report processes a report that was made under the route inForce. It returns what the
// analytic controller decides, and whether it takes over with this report.
func (f *fallback) report(now time.Time, r *report, inForce *policy.Route) (next policy.Decision, began bool) {
	if len(f.hello.Partitioners) == 0 {
		return next, false
	}
	if f.last.IsZero() {
		f.last = now
	}
	f.newest = max(f.newest, r.slide)
	f.know(inForce)
	f.keep(arrival{now, r})
	if f.loop == nil {
		if now.Sub(f.last) < f.config.StaleAfter {
			return next, false
		}
		return f.takeOver()
	}
	for _, a := range f.assemble(arrival{now, r}) {
		next = f.loop.Step(a.Window).Over(next)
		a.Release()
	}
	return next, false
}

// know keeps the route in force, which reports name by its version.
func (f *fallback) know(inForce *policy.Route) {
	if inForce == nil || inForce == f.routes[len(f.routes)-1] {
		return
	}
	if len(f.routes) == mostRoutes {
		f.routes = append(f.routes[:0], f.routes[1:]...)
	}
	f.routes = append(f.routes, inForce)
	if f.loop != nil {
		f.assembler.Know(inForce)
		f.loop.Follow(inForce)
	}
}

// mostRoutes is how many routes are kept, as in an assembler.
const mostRoutes = 8

// keep keeps a report, and drops those that are too old to be needed.
func (f *fallback) keep(a arrival) {
	most := f.slides * uint64(f.config.Shape.Workers+f.config.Shape.Partitioners+f.config.Shape.Reducers)
	old := 0
	for old < len(f.kept) && (f.newest-f.kept[old].report.slide >= f.slides || uint64(len(f.kept)-old) >= most) {
		old++
	}
	f.kept = append(slices.Delete(f.kept, 0, old), a)
}

// takeOver makes the analytic controller watch the windows of the kept reports, and decide on
// the last of them. It returns false if there is no window.
func (f *fallback) takeOver() (next policy.Decision, began bool) {
	workers := f.config.Shape.Workers
	f.assembler = reports.NewAssembler(f.config.Shape, f.config.Window)
	analytic := loop.New(loop.Config{
		Workers: workers, Controller: plan.NewWaterfill(f.config.Waterfill, workers), Gap: versionGap, Failed: f.failed,
	})
	for _, r := range f.routes {
		f.assembler.Know(r)
		analytic.Follow(r)
	}
	for _, k := range f.kept {
		for _, a := range f.assemble(k) {
			analytic.Observe(a.Window)
			next, began = analytic.Decide(), true
			a.Release()
		}
	}
	if !began {
		f.assembler = nil
		return next, false
	}
	f.loop = analytic
	if next.Route != nil {
		next.Route = analytic.Announce(next.Route)
	}
	return next, true
}

// failed logs the panic of the analytic controller.
func (f *fallback) failed(w *policy.Window, reason any) {
	f.config.Log.Error("the analytic controller failed; the latest route stays", "window", w.Step, "why", reason, "stack", string(debug.Stack()))
}

// assemble returns the windows that a report completes. A report that the server would
// reject is ignored here too.
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

// answered processes the server's answer to a window. It is fresh unless the window was
// measured longer than StaleAfter ago; ended says that it ends the time of the analytic
// controller.
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

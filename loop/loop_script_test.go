package loop

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/saspart/saspart/policy"
)

// Commands of the scripts about loops:
//
//	loop NAME [controller=C] [delay=N] [noise=X] [gap=N]   make a loop for 8 workers
//	measured NAME STEP [in-force=V] [slot=W] [queue=F]     a window has ended
//	handover NAME C WATCH                                  hand over after WATCH windows
//	keep NAME                                              cancel the handover
//	switched NAME C                                        the partitioner is switched
//	follow NAME VERSION SLOT                               another loop announced a route
//
// The busy ratio of a window is its step in tenths. The worker of slot 0 stands for a whole
// route. Controllers move slot 0 to the next worker, except those whose names begin with
// idle, which keep the latest route, and faulty, which panic. Those whose names begin with
// bounding tell capacities and no route. queue is how full worker 0's queue of 100 is; worker
// 1's is empty. The controller none stands for
// a partitioner that follows no routes.
func init() {
	commands["loop"] = func(s *script, args []string) error {
		c := Config{Workers: 8}
		options, err := optionsOf(args[1:])
		if err != nil {
			return err
		}
		c.Controller = scripted(s, options["controller"])
		c.Metrics.Delay, _ = strconv.Atoi(options["delay"])
		c.Metrics.Noise, _ = strconv.ParseFloat(options["noise"], 64)
		c.Gap, _ = strconv.ParseUint(options["gap"], 10, 64)
		c.Failed = func(w *policy.Window, reason any) { s.printf("failed on window %d: %v", w.Step, reason) }
		loops(s)[args[0]] = New(c)
		return c.Metrics.Validate()
	}
	commands["measured"] = func(s *script, args []string) error {
		l := loops(s)[args[0]]
		step, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		options, err := optionsOf(args[2:])
		if err != nil {
			return err
		}
		w := &policy.Window{Step: step, Busy: []float64{float64(step) / 10, float64(step) / 5}}
		if options["queue"] != "" {
			full, err := strconv.ParseFloat(options["queue"], 64)
			if err != nil {
				return err
			}
			w.Counts, w.Queue, w.QueueSize = []int64{0, 0}, []float64{full, 0}, 100
		}
		if version := options["in-force"]; version != "" {
			w.Route = routeTo(options["slot"])
			if w.Route.Version, err = strconv.ParseUint(version, 10, 64); err != nil {
				return err
			}
		}
		if l.Observe(w).RouteNew {
			s.printf("window %d is mixed", step)
		}
		if w.RouteNew {
			return fmt.Errorf("the window of the job was changed")
		}
		d := l.Decide()
		if d.Route != nil {
			s.printf("announces %s", told(l.Announce(d.Route)))
		}
		if c := d.Capacities; c != nil {
			s.printf("passes on capacities %v, waiting %v, load %v", c.Of, c.Waiting, c.Load)
		}
		return nil
	}
	commands["handover"] = func(s *script, args []string) error {
		watch, err := strconv.Atoi(args[2])
		loops(s)[args[0]].HandOver(scripted(s, args[1]), watch, func() { s.printf("%s takes over", args[1]) })
		return err
	}
	commands["keep"] = func(s *script, args []string) error {
		loops(s)[args[0]].Keep()
		return nil
	}
	commands["switched"] = func(s *script, args []string) error {
		loops(s)[args[0]].Switch(scripted(s, args[1]))
		return nil
	}
	commands["follow"] = func(s *script, args []string) error {
		r := routeTo(args[2])
		version, err := strconv.ParseUint(args[1], 10, 64)
		r.Version = version
		loops(s)[args[0]].Follow(r)
		return err
	}
}

func loops(s *script) map[string]*Loop {
	return part(s, "loops", func() map[string]*Loop { return map[string]*Loop{} })
}

func optionsOf(args []string) (map[string]string, error) {
	options := map[string]string{}
	for _, a := range args {
		name, value, ok := strings.Cut(a, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not of the form name=value", a)
		}
		options[name] = value
	}
	return options, nil
}

func routeTo(slot string) *policy.Route {
	r := policy.HashRoute(8)
	worker, _ := strconv.Atoi(slot)
	r.Slots[0] = uint16(worker)
	return r
}

func told(r *policy.Route) string {
	return fmt.Sprintf("route %d, slot 0 at worker %d", r.Version, r.Slots[0])
}

// scriptedController reports what it sees to the script.
type scriptedController struct {
	s    *script
	name string
}

func scripted(s *script, name string) policy.Controller {
	if name == "" || name == "none" {
		return nil
	}
	return &scriptedController{s, name}
}

func (c *scriptedController) Decide(w *policy.Window, latest *policy.Route) policy.Decision {
	c.s.printf("%s sees window %d, busy %.3f; latest is %s", c.name, w.Step, w.Busy[0], told(latest))
	switch {
	case strings.HasPrefix(c.name, "faulty"):
		panic("a fault")
	case strings.HasPrefix(c.name, "idle"):
		return policy.Decision{}
	case strings.HasPrefix(c.name, "bounding"):
		return policy.Decision{Capacities: policy.CapacitiesOf([]float64{3, 1})}
	}
	return policy.Decision{Route: routeTo(strconv.Itoa((int(latest.Slots[0]) + 1) % 8))}
}

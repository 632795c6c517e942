package serve_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/serve"
)

// poison decides on the given route.
type poison struct{ route *policy.Route }

func (p poison) Decide(_ *policy.Window, latest *policy.Route) policy.Decision {
	if latest.Version > 0 && len(latest.Slots) == len(p.route.Slots) && latest.Slots[0] == p.route.Slots[0] && len(latest.Keys) == len(p.route.Keys) {
		return policy.Decision{}
	}
	return policy.Decision{Route: p.route}
}

// A model that ruins a job decides no more for it: the last good model does, or, if there is
// none, the analytic controller. The next model has another chance.
func TestPoisonousModels(t *testing.T) {
	const workers = 8
	one := policy.HashRoute(workers) // all records go to one worker
	clear(one.Slots)
	none := policy.HashRoute(workers) // shares that are no numbers
	none.Keys = []policy.KeyRoute{{Hash: hashOf(0), Workers: []uint16{0, 1}, Shares: []float64{math.NaN(), math.NaN()}}}
	for _, c := range []struct {
		why string
		bad policy.Controller
	}{
		{"all records to one worker", poison{one}},
		{"shares that are no numbers", poison{none}},
		{"panics", failing{}},
	} {
		for _, first := range []bool{true, false} {
			t.Run(fmt.Sprint(c.why, ", first ", first), func(t *testing.T) {
				poisonous := &serve.Model{Name: "poisonous", Digest: "bad", New: func(int) (policy.Controller, error) { return c.bad, nil }}
				o := serve.Options{}
				if first {
					o.Model = poisonous
				}
				s := start(t, "", serve.Default(), o)
				j := newToy(workers)
				cl := j.attach(t, s.address, "job", nil)
				attached(t, cl)
				controller := cl.Controller(5 * time.Second)
				steps := func(n int) {
					for range n {
						j.follow(controller.Decide(j.window(), j.route).Route)
					}
				}
				if !first {
					steps(30)
					s.SetModel(poisonous)
				}
				steps(60)
				v := jobsOf(t, s)["job"]
				if got := policy.Imbalance(j.busy()); got > 0.1 || v.Lost != 1 {
					t.Errorf("imbalance %.2f, %+v", got, v)
				}
				if want := map[bool]string{true: "in 8 windows in a row", false: ""}[first]; !strings.Contains(v.Analytic, want) || !first && v.Model != "builtin" {
					t.Errorf("model %s, analytic %q", v.Model, v.Analytic)
				}
				better := builtin(t)
				better.Name, better.Digest = "better", "better"
				s.SetModel(better)
				steps(20)
				if v := jobsOf(t, s)["job"]; v.Model != "better" || v.Analytic != "" {
					t.Errorf("after the next model: %+v", v)
				}
			})
		}
	}
}

// A large job has series for its busiest and least busy workers, and a histogram of all.
func TestWorkerSeriesAreBounded(t *testing.T) {
	s := start(t, "", serve.Default(), serve.Options{})
	j := newBig()
	c := j.attach(t, s.address, "big", nil)
	attached(t, c)
	if !j.answer(c) {
		t.Fatalf("%+v", c.Status())
	}
	text := page(t, s, "/metrics")
	if n := strings.Count(text, "saspart_busy_ratio{"); n != 64 {
		t.Errorf("%d series for 4096 workers", n)
	}
	for _, want := range []string{`saspart_busy_ratios_count{stream_job="big"} 4096`, `saspart_build_info{version="saspart test"} 1`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
}

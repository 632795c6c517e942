package serve_test

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
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
	worse := policy.HashRoute(workers) // one worker has about twice the records of another
	for i, w := range worse.Slots {
		if w == 1 && i%2 == 0 {
			worse.Slots[i] = 0
		}
	}
	none := policy.HashRoute(workers) // shares that are no numbers
	none.Keys = []policy.KeyRoute{{Hash: hashOf(0), Workers: []uint16{0, 1}, Shares: []float64{math.NaN(), math.NaN()}}}
	for _, c := range []struct {
		why string
		bad policy.Controller
	}{
		{"all records to one worker", poison{one}},
		{"worse than analytic routes", poison{worse}},
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

// What a job reports of its records is in the metrics.
func TestMetricsOfAJob(t *testing.T) {
	s := start(t, "", serve.Default(), serve.Options{})
	j := newToy(4)
	j.shape.Reducers = 1
	c := j.attach(t, s.address, "job", nil)
	attached(t, c)
	r := j.report()
	for w := range r.Workers {
		r.Workers[w].Latency = &reports.Latency{Buckets: []uint32{1500}, Counts: []int64{10}, Max: time.Millisecond}
	}
	r.Partitioners[0].Blocked = 0.25
	r.Reducers = []reports.Reducer{{Keys: 100, Pairs: 150}}
	if err := c.Report(r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`saspart_blocked_ratio{stream_job="job"} 0.25`, `saspart_fan_out{stream_job="job"} 1.5`, `saspart_latency_seconds_count{stream_job="job"} 40`,
		`saspart_latency_seconds_bucket{stream_job="job",le="0.000244140625"} 40`, `saspart_latency_seconds_bucket{stream_job="job",le="0.0001220703125"} 0`,
	} {
		counted(t, s, want)
	}
	if text := page(t, s, "/metrics"); !strings.Contains(text, `saspart_records_per_second{stream_job="job"} 1`) || strings.Contains(text, "{job=") {
		t.Error("no records per second, or the label job, which is Prometheus' own")
	}
}

// A checkpoint of huge weights with a right digest does not ruin a job, whether it is the first
// or comes later.
func TestHugeWeights(t *testing.T) {
	c, err := checkpoint.Open(checkpoint.BuiltinName)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"head", ""} {
		for sign := range 2 {
			huge := *c
			huge.Tensors = nil
			for _, tensor := range c.Tensors {
				tensor.Data = slices.Clone(tensor.Data)
				for i := range tensor.Data {
					if strings.HasPrefix(tensor.Name, at) {
						tensor.Data[i] = 3e38 * float32(1-2*(i&sign))
					}
				}
				huge.Tensors = append(huge.Tensors, tensor)
			}
			dir := filepath.Join(t.TempDir(), "huge")
			if err := checkpoint.Save(dir, &huge); err != nil {
				t.Fatal(err)
			}
			m, err := serve.LoadModel(dir, learned.Default())
			if err != nil {
				continue // refused
			}
			s := start(t, "", serve.Default(), serve.Options{})
			j := newToy(8)
			cl := j.attach(t, s.address, "job", nil)
			attached(t, cl)
			controller := cl.Controller(5 * time.Second)
			for i := range 120 {
				if i == 20 {
					s.SetModel(m)
				}
				j.follow(controller.Decide(j.window(), j.route).Route)
			}
			v := jobsOf(t, s)["job"]
			if got := policy.Imbalance(j.busy()); got > 0.1 {
				t.Errorf("huge %q, signs %d: imbalance %.2f, %d models lost", at, sign, got, v.Lost)
			}
			t.Logf("huge %q, signs %d: imbalance %.3f, %d models lost, %s", at, sign, policy.Imbalance(j.busy()), v.Lost, v.Model)
		}
	}
}

// A good model is not lost, though speeds change.
func TestGoodModelsStay(t *testing.T) {
	s := start(t, "", serve.Default(), serve.Options{})
	for _, workers := range []int{2, 8, 64} {
		j := newToy(workers)
		c := j.attach(t, s.address, fmt.Sprint(workers), nil)
		attached(t, c)
		controller := c.Controller(5 * time.Second)
		for i := range 300 {
			if i%15 == 0 {
				j.change(i, 1)
			}
			j.follow(controller.Decide(j.window(), j.route).Route)
		}
		if v := jobsOf(t, s)[fmt.Sprint(workers)]; v.Lost != 0 || v.Analytic != "" {
			t.Errorf("%d workers: %d models lost: %s", workers, v.Lost, v.Analytic)
		}
	}
}

package serve_test

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/serve"
	"github.com/saspart/saspart/serve/client"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(processVariable); address != "" {
		serveProcess(address)
		return
	}
	if address := os.Getenv(attachVariable); address != "" {
		attachProcess(address)
		return
	}
	goleak.VerifyTestMain(m)
}

// logged is a log that tests can read while it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// running is a server on loopback that ends with its test.
type running struct {
	*serve.Server
	address string
	log     *logged
	stop    func()
}

func builtin(t testing.TB) *serve.Model {
	t.Helper()
	m, err := serve.LoadModel(checkpoint.BuiltinName, learned.Default())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// start runs a server on the address, "" for any port of loopback.
func start(t testing.TB, address string, config serve.Config, o serve.Options) *running {
	t.Helper()
	if err := config.Validate(); err != nil {
		t.Fatal(err)
	}
	if address == "" {
		address = "127.0.0.1:0"
	}
	r := &running{log: &logged{}}
	if o.Model == nil {
		o.Model = builtin(t)
	}
	o.Name, o.Log, o.Now = "saspart test", slog.New(slog.NewTextHandler(r.log, nil)), time.Now
	r.Server = serve.New(config, o)
	var l net.Listener
	var err error
	eventually(t, "the address is free", func() bool {
		l, err = net.Listen("tcp", address)
		return err == nil
	})
	r.address = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- r.Serve(l) }()
	r.stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), config.Drain)
		defer cancel()
		r.Stop(ctx)
		if err := <-served; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for range 1000 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("after 10 s it is still not so that %s", what)
}

// toy is a job in closed form: keys by a power law, half the workers twice as fast as
// the others, exact counts.
type toy struct {
	shape  reports.Shape
	hot    []float64 // share of each hot key; all others are spread over the slots
	speeds []float64
	route  *policy.Route
	fresh  bool
	step   int
	last   *policy.Window // as measured under the route and the speeds that are still in force

	// A program does not make garbage of what it measures, and neither does this one.
	memory policy.Window
	named  map[uint64]int // place of each of the route's keys
	loads  []float64
	names  []string // of hot
}

func newToy(workers int) *toy {
	j := &toy{
		shape: reports.Shape{Workers: workers, Partitioners: 1, Slots: policy.SlotCount(workers), Slides: 1, Slide: 100 * time.Millisecond},
		route: policy.HashRoute(workers),
	}
	for i := range workers {
		j.speeds = append(j.speeds, 1+float64(i%2))
	}
	for i := range 4 * workers {
		j.hot = append(j.hot, 0.3/math.Pow(float64(i+1), 1.3))
	}
	return j
}

// follow makes the job adopt a route, if it is a newer one.
func (j *toy) follow(r *policy.Route) {
	if r != nil && r.Version > j.route.Version {
		j.route, j.fresh, j.last = r, true, nil
	}
}

func hashOf(rank int) uint64 { return uint64(rank+1) * 0x9e3779b97f4a7c15 }

// load is the part of the work at each worker.
func (j *toy) load() []float64 {
	if j.named == nil {
		j.named, j.loads = map[uint64]int{}, make([]float64, j.shape.Workers)
	}
	load, named := j.loads, j.named
	clear(load)
	clear(named)
	for i := range j.route.Keys {
		named[j.route.Keys[i].Hash] = i
	}
	rest := 1.0
	for rank, share := range j.hot {
		rest -= share
		if n, ok := named[hashOf(rank)]; ok {
			k := &j.route.Keys[n]
			for i, w := range k.Workers {
				load[w] += share * k.Shares[i]
			}
		} else {
			load[j.route.Slots[policy.SlotOf(hashOf(rank), len(j.route.Slots))]] += share
		}
	}
	for _, w := range j.route.Slots {
		load[w] += rest / float64(len(j.route.Slots))
	}
	return load
}

// busy is the busy ratio of each worker, the mean being about 0.5.
func (j *toy) busy() []float64 { return j.appendBusy(nil, j.load()) }

func (j *toy) appendBusy(busy, load []float64) []float64 {
	for w := range load {
		busy = append(busy, min(1, load[w]/j.speeds[w]*float64(j.shape.Workers)*0.75))
	}
	return busy
}

// window is the next window, whose lists change with the next one after a change.
func (j *toy) window() *policy.Window {
	if j.last == nil {
		j.last = j.measured()
	}
	w := *j.last
	w.Step, w.Start, w.End = j.step, time.Duration(j.step)*j.shape.Slide, time.Duration(j.step+1)*j.shape.Slide
	w.RouteNew = j.fresh
	j.step++
	j.fresh = false
	return &w
}

// report is the report of the next window.
func (j *toy) report() *reports.Report {
	r := &reports.Report{}
	r.SetWindow(j.window(), &j.shape)
	return r
}

// measured is a window of the route and the speeds in force.
func (j *toy) measured() *policy.Window {
	const records = 1e6
	load := j.load()
	w := &j.memory
	*w = policy.Window{
		Records: records, OfferedRate: 1e7, ActualRate: 1e7, Busy: j.appendBusy(w.Busy[:0], load), Queue: w.Queue,
		Slots: w.Slots, Route: j.route, Counts: w.Counts[:0], Units: w.Units[:0], Hot: w.Hot[:0],
	}
	if w.Slots == nil {
		w.Queue, w.Slots = make([]float64, j.shape.Workers), make([]int64, j.shape.Slots)
	}
	clear(w.Slots)
	for rank := len(j.names); rank < len(j.hot); rank++ {
		j.names = append(j.names, "key-"+strconv.Itoa(rank))
	}
	for _, v := range load {
		w.Counts = append(w.Counts, int64(v*records))
		w.Units = append(w.Units, int64(v*records))
	}
	rest := 1.0
	for rank, share := range j.hot {
		rest -= share
		w.Hot = append(w.Hot, policy.HotKey{Name: j.names[rank], Hash: hashOf(rank), Count: int64(share * records)})
		w.Slots[policy.SlotOf(hashOf(rank), j.shape.Slots)] += int64(share * records)
	}
	for i := range w.Slots {
		w.Slots[i] += int64(rest * records / float64(j.shape.Slots))
	}
	return w
}

// attach is a client of the job that ends with its test.
func (j *toy) attach(t testing.TB, address, name string, more func(*client.Config)) *client.Client {
	t.Helper()
	config := client.Default()
	config.Address, config.Job, config.Program, config.Shape = address, name, "test", j.shape
	config.BackOff = client.BackOff{First: 10 * time.Millisecond, Most: 100 * time.Millisecond}
	if more != nil {
		more(&config)
	}
	c, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func attached(t testing.TB, c *client.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.Attached(ctx); err != nil {
		t.Fatal(err)
	}
}

// failing is a controller with a fault.
type failing struct{}

func (failing) Decide(*policy.Window, *policy.Route) policy.Decision { panic("a fault") }

// A controller that panics costs its own job a route, and the server nothing.
func TestControllerThatPanics(t *testing.T) {
	good := builtin(t)
	s := start(t, "", serve.Default(), serve.Options{Model: &serve.Model{Name: "faulty", New: func(workers int) (policy.Controller, error) {
		if workers == 3 {
			return failing{}, nil
		}
		return good.New(workers)
	}}})
	bad, j := newToy(3), newToy(8)
	c := bad.attach(t, s.address, "bad", nil)
	attached(t, c)
	if r := c.Controller(5*time.Second).Decide(bad.window(), bad.route).Route; r != nil {
		t.Errorf("a controller that failed decided on %v", r)
	}
	other := j.attach(t, s.address, "good", nil)
	attached(t, other)
	controller := other.Controller(5 * time.Second)
	for range 40 {
		j.follow(controller.Decide(j.window(), j.route).Route)
	}
	if got := policy.Imbalance(j.busy()); got > 0.05 {
		t.Errorf("the other job's imbalance is %.3f", got)
	}
	if got := c.Status(); got.Answers != 1 || !strings.Contains(s.log.String(), "a fault") {
		t.Errorf("status %+v, log:\n%s", got, s.log)
	}
}

// A job that is served becomes balanced, and both ends say so.
func TestServedJobIsBalanced(t *testing.T) {
	s := start(t, "", serve.Default(), serve.Options{})
	j := newToy(8)
	c := j.attach(t, s.address, "toy", nil)
	attached(t, c)
	before := policy.Imbalance(j.busy())
	controller := c.Controller(5 * time.Second)
	for range 40 {
		j.follow(controller.Decide(j.window(), j.route).Route)
	}
	if after := policy.Imbalance(j.busy()); after > 0.05 || before < 0.5 {
		t.Errorf("imbalance %.3f came to %.3f", before, after)
	}
	got := c.Status()
	if got.Source != client.Policy || got.Answers != 40 || got.Routes == 0 || got.Dropped+got.Outdated+got.Rejected+got.Fallbacks != 0 || got.Model != "builtin" {
		t.Errorf("status %+v", got)
	}
}

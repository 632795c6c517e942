package serve_test

import (
	"bytes"
	"cmp"
	"compress/flate"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/plan"
	pb "github.com/saspart/saspart/proto/saspart/v1"
	"github.com/saspart/saspart/serve"
	"github.com/saspart/saspart/serve/client"
	"github.com/saspart/saspart/serve/wire"
)

// drawn is a steady job whose counts vary by chance, as those of a real job do. Its keys
// follow a power law, and each partitioner subtask gets the same part of the records.
type drawn struct {
	shape reports.Shape
	rng   *rand.Rand
	keys  []policy.HotKey // Count is unused
	share []float64
	mean  float64 // records of a worker in a window
}

func newDrawn(workers, subtasks int) *drawn {
	d := &drawn{
		shape: reports.Shape{Workers: workers, Partitioners: subtasks, Slots: policy.SlotCount(workers), Slides: 1, Slide: 100 * time.Millisecond, Queue: 1000},
		rng:   rand.New(rand.NewPCG(1, 2)), keys: make([]policy.HotKey, 100_000), mean: 500,
	}
	sum := 0.0
	for i := range d.keys {
		d.keys[i] = policy.HotKey{Hash: d.rng.Uint64(), Name: fmt.Sprint("user-", i)}
		d.share = append(d.share, 1/float64(i+1))
		sum += d.share[i]
	}
	for i := range d.share {
		d.share[i] /= sum
	}
	return d
}

// poisson is a count with the given mean.
func (d *drawn) poisson(mean float64) int64 {
	if mean > 40 {
		return int64(max(0, mean+math.Sqrt(mean)*d.rng.NormFloat64()))
	}
	n, limit := int64(-1), math.Exp(-mean)
	for p := 1.0; p > limit; p *= d.rng.Float64() {
		n++
	}
	return n
}

// window returns the reports of a window that was routed by route: of all workers, and of
// each partitioner subtask.
func (d *drawn) window(slide uint64, route *policy.Route) (workers *reports.Report, partitioners []*reports.Report) {
	named := map[uint64]*policy.KeyRoute{}
	for i := range route.Keys {
		named[route.Keys[i].Hash] = &route.Keys[i]
	}
	workers = &reports.Report{Slide: slide, Workers: make([]reports.Worker, d.shape.Workers)}
	for s := range d.shape.Partitioners {
		p := reports.Partitioner{Index: s, Name: "waterfill", RouteVersion: route.Version, Slots: make([]int64, d.shape.Slots)}
		for i, k := range d.keys {
			k.Count = d.poisson(d.share[i] * d.mean * float64(d.shape.Workers) / float64(d.shape.Partitioners))
			if k.Count == 0 {
				continue
			}
			slot := policy.SlotOf(k.Hash, d.shape.Slots)
			p.Slots[slot] += k.Count
			p.Sent += k.Count
			p.Hot = append(p.Hot, k)
			to := named[k.Hash]
			if to == nil {
				workers.Workers[route.Slots[slot]].Records += k.Count
				continue
			}
			for j, w := range to.Workers {
				n := int64(math.Round(to.Shares[j] * float64(k.Count)))
				of := &workers.Workers[w]
				of.Records += n
				if len(to.Workers) > 1 && s == 0 {
					of.Realised = append(of.Realised, reports.Realised{Hash: k.Hash, Count: n * int64(d.shape.Partitioners)})
				}
			}
		}
		slices.SortFunc(p.Hot, func(a, b policy.HotKey) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Hash, b.Hash))
		})
		p.Hot = p.Hot[:min(len(p.Hot), d.shape.HotKeys())]
		p.Offered = float64(p.Sent) / d.shape.Slide.Seconds()
		partitioners = append(partitioners, &reports.Report{Slide: slide, Partitioners: []reports.Partitioner{p}})
	}
	for i := range workers.Workers {
		w := &workers.Workers[i]
		w.Index, w.Units, w.Busy, w.CPU = i, w.Records, min(1, 0.8*float64(w.Records)/d.mean), 0.5
		w.Queue = min(1, 4*d.rng.ExpFloat64()/float64(d.shape.Queue))
		w.Latency = &reports.Latency{Max: 1e8}
		for b := range uint32(100) {
			w.Latency.Buckets, w.Latency.Counts = append(w.Latency.Buckets, 1500+b), append(w.Latency.Counts, d.rng.Int64N(10))
		}
	}
	return workers, partitioners
}

// analytic is a model that decides as waterfill does.
func analytic() *serve.Model {
	return &serve.Model{Name: "waterfill", New: func(workers int) (policy.Controller, error) {
		return plan.NewWaterfill(plan.DefaultWaterfill(), workers), nil
	}}
}

// A subtask of a steady job of 1,024 workers sends and receives at most 20 kB per window,
// although a partitioner's report has 4,096 heavy keys and 16,384 slots.
func TestTrafficOfSteadyJob(t *testing.T) {
	const settling, measured, limit = 25, 15, 20_000
	d := newDrawn(1024, 2)
	config := serve.Default()
	config.Window.Deadline = time.Minute
	s := start(t, "", config, serve.Options{Model: analytic()})
	attach := func(address string, workers, partitioners wire.Ranges) *client.Client {
		c := client.Default()
		c.Address, c.Job, c.Instance, c.Program, c.Shape, c.StaleAfter = address, "steady", "1", "test", d.shape, time.Hour
		c.Workers, c.Partitioners = workers, partitioners
		attached, err := client.New(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(attached.Close)
		return attached
	}
	lines := []*proxy{between(t, s.address), between(t, s.address), between(t, s.address)}
	all := attach(lines[0].address, wire.Ranges{{First: 0, Count: d.shape.Workers}}, nil)
	routers := []*client.Client{
		attach(lines[1].address, nil, wire.Ranges{{First: 0, Count: 1}}), attach(lines[2].address, nil, wire.Ranges{{First: 1, Count: 1}}),
	}
	attached(t, all)
	route := policy.HashRoute(d.shape.Workers)
	var before []int64
	plain, routes := 0, uint64(0)
	for slide := range uint64(settling + measured) {
		if slide == settling {
			for _, l := range lines {
				before = append(before, l.passed.Load())
			}
			plain, routes = 0, routers[0].Status().Routes
		}
		workers, partitioners := d.window(slide, route)
		for i, c := range routers {
			attached(t, c)
			if err := c.Report(partitioners[i]); err != nil {
				t.Fatal(err)
			}
		}
		plain += len(wire.AppendReport(nil, partitioners[0]))
		if err := all.Report(workers); err != nil {
			t.Fatal(err)
		}
		for _, c := range routers {
			c.Await(slide, 10*time.Second)
		}
		if r := routers[0].Route(); r != nil {
			route = r
		}
	}
	for i, c := range routers {
		if st := c.Status(); st.Answers != settling+measured || st.Rejected+st.Dropped+st.Outdated > 0 || st.Routes == 0 {
			t.Errorf("partitioner %d: status %+v", i, st)
		}
		perWindow := (lines[i+1].passed.Load() - before[i+1]) / measured
		t.Logf("partitioner %d: %d bytes per window; a plain report has %d; %d of %d windows had a route", i, perWindow, plain/measured, c.Status().Routes-routes, measured)
		if perWindow > limit {
			t.Errorf("partitioner %d: %d bytes per window; at most %d are allowed", i, perWindow, limit)
		}
	}
	perWorker := (lines[0].passed.Load() - before[0]) / measured / int64(d.shape.Workers)
	t.Logf("a worker: %d bytes per window", perWorker)
	if perWorker > limit {
		t.Errorf("a worker: %d bytes per window; at most %d are allowed", perWorker, limit)
	}
}

// A client that is not compact gets whole routes and busy ratios. A compact one gets its
// first route whole and then changes, and busy ratios only if a partitioner learns from them.
func TestCompactDecisions(t *testing.T) {
	const workers = 64 // whose whole routes are large enough to be packed
	for _, compact := range []bool{false, true} {
		s := start(t, "", serve.Default(), serve.Options{Model: analytic()})
		j := newToy(workers)
		stream := raw(t, s.address)
		h := hello(j, "compact")
		h.Compact = compact
		say(t, stream, h, nil)
		var base *policy.Route
		whole, changes, busy, packed := 0, 0, 0, 0
		for i := range 30 {
			if i == 15 {
				j.change(0, 1)
			}
			r := message(j.report())
			r.Partitioners[0].Learns = i >= 20
			say(t, stream, nil, r)
			var d *pb.Decision
			for d == nil {
				m, err := stream.Recv()
				if err != nil {
					t.Fatal(err)
				}
				if w := m.GetWelcome(); w != nil && !w.Compact {
					t.Fatal("the welcome does not allow packed reports")
				}
				if d = m.GetDecision(); m.GetPacked() != nil {
					packed++
					d = unpacked(t, m.GetPacked())
				}
			}
			if len(d.Busy) > 0 {
				busy++
			}
			if d.Route != nil {
				whole++
			}
			if d.Change != nil {
				changes++
			}
			answer, _, err := wire.ReadResponse(encoded(t, d), workers, base, 1<<20)
			if err != nil || answer.Err != nil {
				t.Fatal(err, answer)
			}
			if answer.Route != nil {
				base = answer.Route
				j.follow(base)
			}
		}
		if imbalance := policy.Imbalance(j.busy()); imbalance > 0.05 {
			t.Errorf("compact %v: imbalance %.3f", compact, imbalance)
		}
		if compact && (whole != 1 || changes < 2 || busy != 10 || packed != 1) || !compact && (whole < 3 || changes != 0 || busy != 30 || packed != 0) {
			t.Errorf("compact %v: %d whole routes, %d changes, busy ratios in %d of 30 decisions, %d packed", compact, whole, changes, busy, packed)
		}
	}
}

// unpacked is a packed decision.
func unpacked(t testing.TB, packed []byte) *pb.Decision {
	t.Helper()
	b, err := io.ReadAll(flate.NewReader(bytes.NewReader(packed)))
	if err != nil {
		t.Fatal(err)
	}
	var d pb.Decision
	if err := proto.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	return &d
}

// Capacities reach the job with the answer to each window, whether or not there is a route,
// and with them what waits at its workers if the job tells its queues.
func TestCapacitiesReachTheJob(t *testing.T) {
	for _, queue := range []int{0, 1000} {
		s := start(t, "", serve.Default(), serve.Options{Model: analytic()})
		j := newToy(8)
		j.shape.Queue = queue
		c := j.attach(t, s.address, "limits", nil)
		attached(t, c)
		controller := c.Controller(5 * time.Second)
		for i := range 40 {
			w := j.window()
			w.Queue = slices.Clone(w.Queue)
			for k := range w.Queue {
				w.Queue[k] = 0.1
			}
			w.Queue[3] = 0.9
			d := controller.Decide(w, j.route)
			j.follow(d.Route)
			if d.Capacities == nil {
				t.Fatalf("window %d: no capacities", i)
			}
			if queue == 0 && d.Capacities.Waiting != nil || queue > 0 && !slices.Equal(d.Capacities.Waiting, []float64{-100, -100, -100, 700, -100, -100, -100, -100}) {
				t.Fatalf("window %d: %v wait at the workers", i, d.Capacities.Waiting)
			}
			if want := policy.Load(w, d.Capacities.Of); math.Abs(d.Capacities.Load-want) > 0.001 || want == 0 {
				t.Fatalf("window %d: load %v, want %v", i, d.Capacities.Load, want)
			}
			if i < 39 {
				continue
			}
			if d.Route != nil {
				t.Errorf("a job that has been steady for long gets route %d", d.Route.Version)
			}
			for k, got := range d.Capacities.Of {
				if want := float64(1+k%2) / 12; math.Abs(got-want) > 0.05*want {
					t.Errorf("worker %d has capacity %.3f, want %.3f", k, got, want)
				}
			}
			if c.Capacities() == nil || c.Capacities().Of[1] != d.Capacities.Of[1] {
				t.Error("the client has other capacities than its controller")
			}
		}
	}
}

// forgetful is a server that answers the first window of its first stream with a change of a
// route that it did not send, and of later streams with the route.
type forgetful struct {
	pb.UnimplementedPolicyServiceServer
	route   *policy.Route
	streams atomic.Int64
}

// Attach implements the service.
func (f *forgetful) Attach(stream pb.PolicyService_AttachServer) error {
	d := &wire.Decision{Route: f.route}
	if f.streams.Add(1) == 1 {
		base := policy.HashRoute(f.route.Workers)
		base.Version = 5
		d.Base = base
	}
	if _, err := stream.Recv(); err != nil {
		return err
	}
	if err := stream.Send(&pb.AttachResponse{Message: &pb.AttachResponse_Welcome{Welcome: &pb.Welcome{Protocol: wire.Protocol}}}); err != nil {
		return err
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		d.Window = m.GetReport().GetSlide()
		if err := stream.SendMsg(wire.Frame(wire.AppendDecision(nil, d))); err != nil {
			return err
		}
	}
}

// A client that gets a change of a route that it does not have attaches anew, and gets the
// route.
func TestClientWithoutBase(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &forgetful{route: policy.HashRoute(8)}
	f.route.Version = 6
	s := grpc.NewServer(grpc.ForceServerCodecV2(wire.Codec{}))
	pb.RegisterPolicyServiceServer(s, f)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	defer func() {
		s.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	j := newToy(8)
	c := j.attach(t, l.Addr().String(), "forgetful", nil)
	eventually(t, "the client has the route", func() bool {
		if err := c.Report(j.report()); err != nil {
			t.Fatal(err)
		}
		return c.Route() != nil
	})
	if st := c.Status(); st.Attached != 2 || f.streams.Load() != 2 || c.Route().Version != 6 {
		t.Errorf("status %+v, %d streams, route %d", st, f.streams.Load(), c.Route().Version)
	}
	c.Close()
}

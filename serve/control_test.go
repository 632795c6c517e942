package serve_test

import (
	"context"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	pb "github.com/saspart/saspart/proto/saspart/v1"
	"github.com/saspart/saspart/serve"
	"github.com/saspart/saspart/serve/client"
	"github.com/saspart/saspart/serve/wire"
)

// orders collects the controls that a job receives.
type orders struct {
	mu   sync.Mutex
	list []wire.Control
}

func (o *orders) take(c wire.Control) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = append(o.list, c)
}

// all is what was wanted in the end.
func (o *orders) all() wire.Control {
	o.mu.Lock()
	defer o.mu.Unlock()
	var c wire.Control
	for _, next := range o.list {
		c = next.Over(c)
	}
	return c
}

// What the owner wants reaches the streams of partitioners, also those that come
// later, and no others.
func TestControl(t *testing.T) {
	s := start(t, "", serve.Default(), serve.Options{})
	rate := func(r float64) *float64 { return &r }
	if err := s.Control("clicks", wire.Control{End: true}); err == nil {
		t.Error("a job that never came gets something")
	}
	shape := reports.Shape{Workers: 2, Partitioners: 2, Slides: 1, Slide: 100 * time.Millisecond}
	attach := func(o *orders, set func(*client.Config)) {
		t.Helper()
		c := client.Config{Address: s.address, Job: "clicks", Instance: "1", Shape: shape, Control: o.take}
		set(&c)
		a, err := client.New(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.Close)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := a.Attached(ctx); err != nil {
			t.Fatal(err)
		}
	}
	var first, late, worker orders
	attach(&first, func(c *client.Config) { c.Partitioners = wire.Ranges{{First: 0, Count: 1}} })
	attach(&worker, func(c *client.Config) { c.Workers = wire.Ranges{{First: 0, Count: 2}} })
	for _, c := range []wire.Control{{Rate: rate(1000)}, {Partitioner: `{"name":"pkg"}`}, {Rate: rate(0)}, {End: true}} {
		if err := s.Control("clicks", c); err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []wire.Control{{Rate: rate(math.NaN())}, {Rate: rate(-1)}, {Partitioner: string(make([]byte, 1<<20))}} {
		if err := s.Control("clicks", bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
	attach(&late, func(c *client.Config) { c.Partitioners = wire.Ranges{{First: 1, Count: 1}} })
	for name, o := range map[string]*orders{"who was there": &first, "who came later": &late} {
		eventually(t, name+" gets it", func() bool {
			c := o.all()
			return c.Rate != nil && *c.Rate == 0 && c.Partitioner == `{"name":"pkg"}` && c.End
		})
	}
	if c := worker.all(); c != (wire.Control{}) {
		t.Errorf("a stream of workers gets %+v", c)
	}
}

// A decision has what partitioners learn from: the busy ratios of its window, what the
// others shared, and from when on its route is to be followed.
func TestDecisionsCarryWhatPartitionersLearnFrom(t *testing.T) {
	config := serve.Default()
	config.Window.Deadline = 30 * time.Millisecond
	s := start(t, "", config, serve.Options{})
	conn, err := grpc.NewClient(s.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	stream, err := pb.NewPolicyServiceClient(conn).Attach(ctx)
	if err != nil {
		t.Fatal(err)
	}
	shape := reports.Shape{Workers: 3, Partitioners: 2, Reducers: 1, Slots: policy.SlotCount(3), Slides: 1, Slide: 100 * time.Millisecond}
	hello := &wire.Hello{
		Job: "clicks", Instance: "1", Shape: shape,
		Workers: wire.Ranges{{First: 0, Count: 3}}, Partitioners: wire.Ranges{{First: 0, Count: 2}}, Reducers: wire.Ranges{{First: 0, Count: 1}},
	}
	if err := stream.Send(&pb.AttachRequest{Message: &pb.AttachRequest_Hello{Hello: wire.WriteHello(hello)}}); err != nil {
		t.Fatal(err)
	}
	slots := make([]int64, shape.Slots)
	for i := range slots {
		slots[i] = int64(i)
	}
	routes := 0
	for slide := uint64(40); slide < 60; slide++ {
		r := &reports.Report{
			Slide:        slide,
			Workers:      []reports.Worker{{Index: 0, Records: 900, Busy: 0.9}, {Index: 2, Records: 100, Busy: 0.1}},
			Partitioners: []reports.Partitioner{{Index: 0, Sent: 500, Offered: 5000, Slots: slots}, {Index: 1, Sent: 500, Offered: 5000, Slots: slots, Share: []byte{byte(slide)}}},
			Reducers:     []reports.Reducer{{Index: 0, Busy: 0.2, Keys: 3, Pairs: 9}},
		}
		if err := stream.Send(&pb.AttachRequest{Message: &pb.AttachRequest_Report{Report: message(r)}}); err != nil {
			t.Fatal(err)
		}
		var d *pb.Decision
		for d == nil {
			m, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if n := m.GetNotice(); n.GetKind() == pb.Notice_KIND_REJECTED {
				t.Fatal(n.GetText())
			}
			d = m.GetDecision()
		}
		if !slices.Equal(d.Busy, []float64{0.9, -1, 0.1}) || !d.Incomplete {
			t.Errorf("window %d: busy %v, incomplete %v", d.Window, d.Busy, d.Incomplete)
		}
		if len(d.Shares) != 2 || len(d.Shares[0]) != 0 || !slices.Equal(d.Shares[1], []byte{byte(slide)}) {
			t.Errorf("window %d: shares %v", d.Window, d.Shares)
		}
		if d.Route != nil {
			routes++
			if d.Start != slide+2 {
				t.Errorf("a route after slide %d is to be followed from slide %d", slide, d.Start)
			}
		}
	}
	if routes == 0 {
		t.Error("no decision has a route")
	}
}

package wire

import (
	"math"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/saspart/saspart/internal/memtest"
	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	pb "github.com/saspart/saspart/proto/saspart/v1"
)

func hello() *Hello {
	return &Hello{
		Client: "test 1", Job: "clicks", Instance: "a1",
		Shape:   reports.Shape{Workers: 4, Partitioners: 2, Slots: 8, Slides: 2, Slide: 50 * time.Millisecond, Reducers: 2, Queue: 256, Named: 10},
		Workers: Ranges{{0, 2}, {3, 1}}, Partitioners: Ranges{{1, 1}}, Reducers: Ranges{{0, 1}},
	}
}

func report() *reports.Report {
	return &reports.Report{
		Slide: 9,
		Workers: []reports.Worker{
			{Index: 3, Records: 5, Units: 7, Busy: 0.25, Queue: 1, Realised: []reports.Realised{{Hash: 1 << 63, Count: 4}},
				CPU: 0.125, Bypassed: 3, StateKeys: 9, Latency: &reports.Latency{Buckets: []uint32{7, 2000}, Counts: []int64{4, 1}, Max: time.Second}, Times: policy.Times{
					Records: 9, Total: time.Second, Scatter: 0.5, Keys: []policy.KeyTime{{Hash: 3, Records: 1}, {Hash: 77, Name: "k\xff", Records: 2, Total: time.Microsecond}},
					Slots: []policy.SlotTime{{Slot: 0, Records: 1, Total: 5}, {Slot: 1, Records: 1}, {Slot: 7, Records: 7, Total: time.Second - 5}},
				}}, {Index: 0},
		},
		Partitioners: []reports.Partitioner{{
			Index: 1, Sent: 8, Offered: 1e6, Blocked: 0.5, RouteVersion: 3, RouteChanged: true, Share: []byte{0, 255}, Name: "dalton-metrics",
			Hot: []policy.HotKey{{Name: "k\xff\x00", Hash: 77, Count: 6, Error: 1}}, Slots: []int64{0, 1, 2, 3, 4, 5, 6, 7},
		}},
		Reducers: []reports.Reducer{{Index: 0, Busy: 0.5, Keys: 3, Pairs: 7}},
		Route:    route(),
	}
}

func route() *policy.Route {
	return &policy.Route{
		Version: 12, Workers: 4, Slots: []uint16{0, 1, 2, 3},
		Keys: []policy.KeyRoute{
			{Hash: 77, Name: "k\xff", Workers: []uint16{0, 2}, Shares: []float64{0.25, 0.75}}, {Hash: 78, Workers: []uint16{3}, Shares: []float64{1}},
		},
	}
}

// over sends a message over the wire.
func over[M proto.Message](t *testing.T, from, to M) M {
	t.Helper()
	data, err := proto.Marshal(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(data, to); err != nil {
		t.Fatal(err)
	}
	return to
}

// take sends a report over the wire.
func take(m *pb.Report, into func(*reports.Report)) error {
	b, err := proto.Marshal(&pb.AttachRequest{Message: &pb.AttachRequest_Report{Report: m}})
	if err != nil {
		return err
	}
	_, err = TakeReport(b, hello(), NewKeys(hello(), 1<<20), func(r *reports.Report) error {
		into(r)
		return nil
	})
	return err
}

func TestMessagesComeBack(t *testing.T) {
	h, err := ReadHello(over(t, WriteHello(hello()), &pb.Hello{}))
	if diff := gocmp.Diff(hello(), h); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if err := take(writeReport(report()), func(r *reports.Report) {
		if diff := gocmp.Diff(report(), r); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}); err != nil {
		t.Error(err)
	}
	x, err := ReadRoute(over(t, WriteRoute(route()), &pb.Route{}), 4)
	if diff := gocmp.Diff(route(), x); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestHelloRefuses(t *testing.T) {
	for _, c := range []struct {
		why  string
		turn func(*pb.Hello)
		want string
	}{
		{"another protocol", func(m *pb.Hello) { m.Protocol = 2 }, "protocol 2"},
		{"no job", func(m *pb.Hello) { m.Job = "" }, "job"},
		{"a job whose name would break a log", func(m *pb.Hello) { m.Job = "a\nlevel=INFO" }, "job"},
		{"a name without end", func(m *pb.Hello) { m.Job = strings.Repeat("x", 201) }, "job"},
		{"text that is none", func(m *pb.Hello) { m.Instance = "\xff" }, "instance"},
		{"no instance", func(m *pb.Hello) { m.Instance = "" }, "instance"},
		{"a client that does not print", func(m *pb.Hello) { m.Client = "\x1b[2J" }, "client"},
		{"no shape", func(m *pb.Hello) { m.Shape = nil }, "shape"},
		{"a slide longer than time", func(m *pb.Hello) { m.Shape.SlideNs = math.MaxUint64 }, "slide"},
		{"no subtasks", func(m *pb.Hello) { m.Subtasks = nil }, "subtasks"},
		{"an empty range", func(m *pb.Hello) { m.Subtasks[0].Count = 0 }, "subtasks"},
		{"a range past the end, that wraps around", func(m *pb.Hello) { m.Subtasks[1].First, m.Subtasks[1].Count = math.MaxUint32, 2 }, "subtasks"},
		{"a reducer that the job has not", func(m *pb.Hello) { m.Subtasks[3].First = 2 }, "ROLE_REDUCER"},
		{"a negative number of reducers", func(m *pb.Hello) { m.Shape.Reducers = math.MaxUint32 }, "reducers"},
		{"a role of another version", func(m *pb.Hello) { m.Subtasks[0].Role = 7 }, "role"},
		{"ranges without end", func(m *pb.Hello) {
			for range 100 {
				m.Subtasks = append(m.Subtasks, m.Subtasks[0])
			}
		}, "subtasks"},
	} {
		m := WriteHello(hello())
		c.turn(m)
		if h, err := ReadHello(m); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, error %v", c.why, h, err)
		}
	}
}

func TestReportRefuses(t *testing.T) {
	for _, c := range []struct {
		why  string
		turn func(*pb.Report)
		want string
	}{
		{"a worker of another stream", func(m *pb.Report) { m.Workers[0].Index = 2 }, "not one of this stream's"},
		{"a worker that the job has not", func(m *pb.Report) { m.Workers[0].Index = 4 }, "not one of this stream's"},
		{"a partitioner of another stream", func(m *pb.Report) { m.Partitioners[0].Index = 0 }, "not one of this stream's"},
		{"busy that is no number", func(m *pb.Report) { m.Workers[0].Busy = math.NaN() }, "NaN"},
		{"busy without end", func(m *pb.Report) { m.Workers[0].Busy = math.Inf(1) }, "Inf"},
		{"a queue below empty", func(m *pb.Report) { m.Workers[0].Queue = -0.1 }, "-0.1"},
		{"a negative count, as it looks on the wire", func(m *pb.Report) { m.Workers[0].Records = math.MaxUint64 }, "a count is"},
		{"a negative count of a slot", func(m *pb.Report) { m.Partitioners[0].Slots[3] = math.MaxUint64 - 4 }, "slot 3"},
		{"a negative count of a key", func(m *pb.Report) { m.Partitioners[0].Hot[0].Count = 1 << 63 }, "hot key 0"},
		{"a negative realised count", func(m *pb.Report) { m.Workers[0].Realised[0].Count = 1 << 62 }, "records of one key"},
		{"slots that count too much together", func(m *pb.Report) {
			m.Partitioners[0].Slots[2], m.Partitioners[0].Slots[3] = 0, maxCount
		}, "slot 3"},
		{"hot keys that count too much together", func(m *pb.Report) {
			m.Partitioners[0].Hot = append(m.Partitioners[0].Hot, &pb.HotKey{Count: maxCount})
		}, "hot key 1"},
		{"latencies that count too much together", func(m *pb.Report) { m.Workers[0].Latency.Counts[0], m.Workers[0].Latency.Counts[1] = 1, maxCount }, "a count is"},
		{"a rate that is no number", func(m *pb.Report) { m.Partitioners[0].Offered = math.NaN() }, "NaN"},
		{"another number of slots", func(m *pb.Report) { m.Partitioners[0].Slots = make([]uint64, 16) }, "16 slots"},
		{"a key name without end", func(m *pb.Report) { m.Partitioners[0].Hot[0].Name = make([]byte, 2000) }, "2000 bytes"},
		{"hot keys without end", func(m *pb.Report) {
			for range 1000 {
				m.Partitioners[0].Hot = append(m.Partitioners[0].Hot, m.Partitioners[0].Hot[0])
			}
		}, "hot keys"},
		{"realised shares without end", func(m *pb.Report) {
			for range 1000 {
				m.Workers[0].Realised = append(m.Workers[0].Realised, m.Workers[0].Realised[0])
			}
		}, "realised shares"},
		{"more workers than there are", func(m *pb.Report) {
			for range 4 {
				m.Workers = append(m.Workers, m.Workers[0])
			}
		}, "6 workers"},
		{"a reducer of another stream", func(m *pb.Report) { m.Reducers[0].Index = 1 }, "not one of this stream's"},
		{"more reducers than there are", func(m *pb.Report) { m.Reducers = append(m.Reducers, m.Reducers[0], m.Reducers[0]) }, "3 reducers"},
		{"a reducer that is busy without end", func(m *pb.Report) { m.Reducers[0].Busy = math.Inf(1) }, "Inf"},
		{"a reducer's negative count", func(m *pb.Report) { m.Reducers[0].Pairs = math.MaxUint64 }, "a count is"},
		{"a thread on more than one core", func(m *pb.Report) { m.Workers[0].Cpu = 3 }, "a ratio is 3"},
		{"keys with state beyond counting", func(m *pb.Report) { m.Workers[0].StateKeys = 1 << 60 }, "a count is"},
		{"latencies without counts", func(m *pb.Report) { m.Workers[0].Latency.Counts = nil }, "2 buckets and 0 counts"},
		{"latencies that are not in order", func(m *pb.Report) { m.Workers[0].Latency.Buckets[1] = 7 }, "bucket 7"},
		{"latencies beyond the last bucket", func(m *pb.Report) { m.Workers[0].Latency.Buckets[1] = reports.LatencyBuckets }, "bucket 4992"},
		{"a negative count of latencies", func(m *pb.Report) { m.Workers[0].Latency.Counts[1] = math.MaxUint64 }, "a count is"},
		{"times of a slot that is not there", func(m *pb.Report) { m.Workers[0].Times.Slots[2] = 6 }, "slot 8 of 8"},
		{"times of a slot whose number wraps around", func(m *pb.Report) { m.Workers[0].Times.Slots[2] = math.MaxUint32 }, "of 8"},
		{"a slot without a time", func(m *pb.Report) { m.Workers[0].Times.SlotTotalNs = nil }, "3 slots have 3 counts and 0 times"},
		{"a negative time of a slot", func(m *pb.Report) { m.Workers[0].Times.SlotTotalNs[0] = math.MaxUint64 }, "negative"},
		{"times of keys that are too much together", func(m *pb.Report) {
			m.Workers[0].Times.Keys[0].TotalNs, m.Workers[0].Times.Keys[1].TotalNs = maxCount, 1
		}, "together"},
		{"a negative number of timed records", func(m *pb.Report) { m.Workers[0].Times.Records = math.MaxUint64 }, "negative"},
		{"scatter that is no number", func(m *pb.Report) { m.Workers[0].Times.Scatter = math.NaN() }, "NaN"},
		{"timed keys out of order", func(m *pb.Report) { m.Workers[0].Times.Keys[0].Hash = 78 }, "out of order"},
		{"a timed key without records", func(m *pb.Report) { m.Workers[0].Times.Keys[0].Records = 0 }, "keys[0]"},
		{"a timed key with a name without end", func(m *pb.Report) { m.Workers[0].Times.Keys[0].Name = make([]byte, 2000) }, "2000 bytes"},
		{"timed keys without end", func(m *pb.Report) {
			for range 1000 {
				m.Workers[0].Times.Keys = append(m.Workers[0].Times.Keys, m.Workers[0].Times.Keys[0])
			}
		}, "1002 keys"},
		{"knowledge without end", func(m *pb.Report) { m.Partitioners[0].Share = make([]byte, 2<<20) }, "2097152 bytes"},
		{"a partitioner whose name would break a log", func(m *pb.Report) { m.Partitioners[0].Partitioner = "a\nb" }, "printable"},
		{"a route for another job", func(m *pb.Report) { m.Route.Workers = 5 }, "5 workers"},
		{"a route to a worker that is not there", func(m *pb.Report) { m.Route.Slots[1] = 4 }, "worker 4"},
		{"a route to a worker whose number is cut on the way", func(m *pb.Report) { m.Route.Keys[1].Workers[0] = 1<<16 + 1 }, "worker 65537"},
		{"a route whose shares are no numbers", func(m *pb.Report) { m.Route.Keys[0].Shares[0] = math.NaN() }, "NaN"},
	} {
		m := writeReport(report())
		c.turn(m)
		if err := take(m, func(r *reports.Report) { t.Errorf("%s is taken: %+v", c.why, r) }); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v", c.why, err)
		}
	}
	m := writeReport(report())
	m.Workers[0].Busy = 1.003
	if err := take(m, func(r *reports.Report) {
		if r.Workers[0].Busy != 1 {
			t.Errorf("a ratio a little above 1 is %v", r.Workers[0].Busy)
		}
	}); err != nil {
		t.Error(err)
	}
}

// Whatever is a message is refused or has no surprises for the assembler.
func FuzzReport(f *testing.F) {
	data, err := proto.Marshal(writeReport(report()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte{0x12, 0})
	f.Add([]byte{0x1a, 0, 0x22, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		defer memtest.Limit(t, 32<<20)()
		h := hello()
		want, wrong := naiveReport(data, h, nil)
		b, at := begin(nil, 2)
		_, err := TakeReport(end(append(b, data...), at), h, nil, func(r *reports.Report) error {
			if diff := gocmp.Diff(want, r, equalEmpty); diff != "" {
				t.Fatalf("-library +by hand:\n%s", diff)
			}
			return nil
		})
		if (wrong == ErrGarbage) != (err == ErrGarbage) || (wrong != nil) != (err != nil) {
			t.Fatalf("by hand: %v; the library: %v", err, wrong)
		}
		if err != nil {
			return
		}
		if err := want.Check(&h.Shape); err != nil {
			t.Fatalf("it was taken, but %v", err)
		}
		a := reports.NewAssembler(h.Shape, reports.Default())
		if err := a.Add(time.Time{}, want); err != nil {
			t.Fatal(err)
		}
		if err := take(writeReport(want), func(again *reports.Report) {
			if diff := gocmp.Diff(want, again, equalEmpty); diff != "" {
				t.Fatalf("-want +got:\n%s", diff)
			}
		}); err != nil {
			t.Fatal(err)
		}
	})
}

// Whatever a hello says, it is refused, or is a hello that says the same again, and its route
// is one for its workers.
func FuzzHello(f *testing.F) {
	m := WriteHello(hello())
	m.Route = WriteRoute(route())
	data, err := proto.Marshal(m)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		defer memtest.Limit(t, 32<<20)()
		var m pb.Hello
		if proto.Unmarshal(data, &m) != nil {
			return
		}
		h, err := ReadHello(&m)
		if err != nil {
			return
		}
		again, err := ReadHello(WriteHello(h))
		if diff := gocmp.Diff(h, again, equalEmpty); err != nil || diff != "" {
			t.Fatalf("%v; -want +got:\n%s", err, diff)
		}
		if m.GetRoute() == nil {
			return
		}
		if r, err := ReadRoute(m.GetRoute(), h.Shape.Workers); err == nil {
			if err := r.Validate(); err != nil || r.Workers != h.Shape.Workers {
				t.Fatalf("a route for %d of %d workers: %v", r.Workers, h.Shape.Workers, err)
			}
		}
	})
}

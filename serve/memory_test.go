package serve_test

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	pb "github.com/saspart/saspart/proto/saspart/v1"
	"github.com/saspart/saspart/serve"
)

// full is a report of all subtasks with lists as long as windows keep.
func (j *toy) full() *reports.Report {
	r := j.report()
	limit := 64 * j.shape.KeyLimit() / j.shape.Workers
	for w := range r.Workers {
		of := &r.Workers[w]
		for rank := range min(limit, 4*j.shape.KeyLimit()) {
			of.Realised = append(of.Realised, reports.Realised{Hash: hashOf(rank), Count: 1})
			of.Times.Keys = append(of.Times.Keys, policy.KeyTime{Hash: uint64(rank + 1), Name: "key", Records: 1, Total: 1})
			of.Times.Records, of.Times.Total = of.Times.Records+1, of.Times.Total+1
		}
		for i := range 2 * j.shape.Slots / j.shape.Workers {
			of.Times.Slots = append(of.Times.Slots, policy.SlotTime{Slot: int32((w*j.shape.Slots/j.shape.Workers + i) % j.shape.Slots), Records: 1, Total: 1})
		}
		slices.SortFunc(of.Times.Slots, func(a, b policy.SlotTime) int { return int(a.Slot - b.Slot) })
	}
	return r
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// taken returns the memory that a server counts as taken.
func taken(t *testing.T, s *running) (bytes float64) {
	t.Helper()
	for line := range strings.Lines(page(t, s, "/metrics")) {
		if _, err := fmt.Sscanf(line, "saspart_memory_bytes %g", &bytes); err == nil {
			return bytes
		}
	}
	t.Fatal("no metric of memory")
	return 0
}

// What jobs take with windows as full as they may be is within what the server expects of
// them, and all of it is given back.
func TestMemoryOfJobs(t *testing.T) {
	for _, c := range []struct{ workers, jobs int }{{8, 20}, {64, 8}, {512, 2}} {
		config := serve.Default()
		config.Limits.Message, config.Window.Deadline = 64<<20, time.Minute
		s := start(t, "", config, serve.Options{})
		before := heap()
		var streams []pb.PolicyService_AttachClient
		var toys []*toy
		for i := range c.jobs {
			j := newToy(c.workers)
			j.hot = j.hot[:min(len(j.hot), 256)] // more would have more than all records
			h := hello(j, fmt.Sprint("job", i))
			st := raw(t, s.address)
			say(t, st, h, nil)
			if _, err := st.Recv(); err != nil {
				t.Fatal(err)
			}
			streams, toys = append(streams, st), append(toys, j)
		}
		var largest int64
		for range 3 {
			var rest []*pb.Report
			for i, st := range streams {
				r := message(toys[i].full())
				rest = append(rest, &pb.Report{Slide: r.Slide, Partitioners: r.Partitioners, Route: r.Route})
				r.Partitioners = nil // the window stays open
				say(t, st, nil, r)
			}
			for i := range streams {
				eventually(t, "the reports are taken", func() bool {
					v := jobsOf(t, s)[fmt.Sprint("job", i)]
					return v.Reports.Taken >= uint64(c.workers)*(v.Windows+1)
				})
			}
			settled := heap()
			for range 4 { // without what is on its way
				time.Sleep(20 * time.Millisecond)
				settled = min(settled, heap())
			}
			largest = max(largest, settled-before)
			for i, st := range streams {
				say(t, st, nil, rest[i])
				if _, err := st.Recv(); err != nil {
					t.Fatal(err)
				}
			}
		}
		expected := int64(taken(t, s))
		t.Logf("%d jobs of %d workers: %.1f MiB taken, %.1f MiB expected", c.jobs, c.workers, float64(largest)/(1<<20), float64(expected)/(1<<20))
		if largest > expected {
			t.Errorf("%d jobs of %d workers took %d bytes, %d were expected", c.jobs, c.workers, largest, expected)
		}
		for _, st := range streams {
			_ = st.CloseSend()
			for err := error(nil); err == nil; {
				_, err = st.Recv()
			}
		}
		s.stop()
		if n := taken(t, s); n != 0 {
			t.Errorf("%v bytes are taken when all jobs have left", n)
		}
	}
}

// Jobs attach as long as there is memory for them. Those that have left make space for others.
func TestMemoryIsBounded(t *testing.T) {
	config := serve.Default()
	config.Limits.Memory, config.Linger = 64<<20, time.Hour
	s := start(t, "", config, serve.Options{})
	try := func(name string, workers int) (pb.PolicyService_AttachClient, error) {
		st := raw(t, s.address)
		say(t, st, hello(newToy(workers), name), nil)
		_, err := st.Recv()
		return st, err
	}
	if _, err := try("large", 4096); status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "MiB") {
		t.Errorf("a job that is larger than the limit: %v", err)
	}
	var held []pb.PolicyService_AttachClient
	for {
		st, err := try(fmt.Sprint("job", len(held)), 16)
		if err != nil {
			if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "MiB") {
				t.Errorf("a job too many: %v", err)
			}
			break
		}
		held = append(held, st)
	}
	if n := len(held); n < 5 || n > 40 || taken(t, s) > 64<<20 {
		t.Errorf("%d jobs take %v bytes of %d", n, taken(t, s), 64<<20)
	}
	counted(t, s, `saspart_refused_total{reason="memory"} 2`)
	_ = held[0].CloseSend()
	if _, err := held[0].Recv(); err != io.EOF {
		t.Fatal(err)
	}
	before, others := len(jobsOf(t, s)), 0
	eventually(t, "others have its place", func() bool {
		_, _ = try(fmt.Sprint("other", others), 8) // smaller ones
		others++
		jobs := jobsOf(t, s)
		_, there := jobs["job0"]
		return !there && len(jobs) >= before
	})
}

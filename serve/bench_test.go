package serve_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	pb "github.com/saspart/saspart/proto/saspart/v1"
	"github.com/saspart/saspart/serve/client"
	"github.com/saspart/saspart/serve/wire"
)

// From the last report of a window to its answer in the client, by loopback, the
// server in a process of its own. A worker's speed changes every 100 windows, or, of a
// restless job, every third, so that two of five answers are a route. With "subtasks"
// each of the job's 65 subtasks has a stream of its own.
func BenchmarkDecision(b *testing.B) {
	for _, c := range []struct {
		name           string
		workers, every int
	}{{"P=8", 8, 100}, {"P=64", 64, 100}, {"P=64/restless", 64, 3}} {
		b.Run(c.name, func(b *testing.B) {
			every := c.every
			p := startProcess(b, "")
			j := newToy(c.workers)
			c := j.attach(b, p.address, "bench", nil)
			attached(b, c)
			controller := c.Controller(5 * time.Second)
			measure(b, p, func(i int) time.Duration {
				j.change(i, every)
				w := j.window()
				began := time.Now()
				route := controller.Decide(w, j.route).Route
				took := time.Since(began)
				j.follow(route)
				return took
			})
			if s := c.Status(); s.Source != client.Policy || s.Dropped > 0 {
				b.Errorf("status %+v", s)
			}
			b.ReportMetric(float64(c.Status().Routes)/float64(c.Status().Answers), "routes/answer")
		})
	}
	b.Run("P=64/subtasks", func(b *testing.B) { decisionOfSubtasks(b, 5*time.Millisecond) })
	b.Run("P=64/subtasks-at-once", func(b *testing.B) { decisionOfSubtasks(b, 0) })
	b.Run("P=64/subtasks-of-a-process", decisionOfProcess)
}

// decisionOfSubtasks has the partitioner report last, a pause after 64 workers have: all
// else has been taken in then, or, without a pause, has still to be.
func decisionOfSubtasks(b *testing.B, pause time.Duration) {
	p := startProcess(b, "")
	j := newToy(64)
	one := func(what string, i int) *client.Client {
		c := j.attach(b, p.address, "bench", func(c *client.Config) {
			c.Instance = "one"
			r := wire.Ranges{{First: i, Count: 1}}
			if what == "worker" {
				c.Workers = r
			} else {
				c.Partitioners = r
			}
		})
		attached(b, c)
		return c
	}
	router := one("partitioner", 0)
	var workers []*client.Client
	for i := range 64 {
		workers = append(workers, one("worker", i))
	}
	measure(b, p, func(i int) time.Duration {
		j.change(i, 100)
		r := j.report()
		send := func(c *client.Client, r *reports.Report) {
			if err := c.Report(r); err != nil {
				b.Fatal(err)
			}
		}
		for w := range workers {
			send(workers[w], &reports.Report{Slide: r.Slide, Workers: r.Workers[w : w+1]})
		}
		time.Sleep(pause)
		began := time.Now()
		send(router, &reports.Report{Slide: r.Slide, Partitioners: r.Partitioners})
		router.Await(r.Slide, 5*time.Second)
		took := time.Since(began)
		j.follow(router.Route())
		return took
	})
	if s := router.Status(); s.Source != client.Policy || s.Dropped > 0 {
		b.Errorf("status %+v", s)
	}
}

// decisionOfProcess has 65 streams on one connection, as subtasks on Flink have whose
// TaskManager is the same, report at once, the partitioner last.
func decisionOfProcess(b *testing.B) {
	p := startProcess(b, "")
	j := newToy(64)
	conn, err := grpc.NewClient(p.address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(wire.Codec{})))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	open := func(workers, partitioners wire.Ranges) pb.PolicyService_AttachClient {
		stream, err := pb.NewPolicyServiceClient(conn).Attach(ctx)
		if err != nil {
			b.Fatal(err)
		}
		say(b, stream, wire.WriteHello(&wire.Hello{Job: "bench", Instance: "one", Shape: j.shape, Workers: workers, Partitioners: partitioners}), nil)
		if m, err := stream.Recv(); err != nil || m.GetWelcome() == nil {
			b.Fatalf("%v, %v", m, err)
		}
		return stream
	}
	var workers []pb.PolicyService_AttachClient
	for i := range 64 {
		workers = append(workers, open(wire.Ranges{{First: i, Count: 1}}, nil))
	}
	router := open(nil, wire.Ranges{{First: 0, Count: 1}})
	send := func(stream pb.PolicyService_AttachClient, r *reports.Report) {
		if err := stream.SendMsg(wire.Frame(wire.AppendReport(nil, r))); err != nil {
			b.Fatal(err)
		}
	}
	measure(b, p, func(i int) time.Duration {
		j.change(i, 100)
		r := j.report()
		for w := range workers {
			send(workers[w], &reports.Report{Slide: r.Slide, Workers: r.Workers[w : w+1]})
		}
		began := time.Now()
		send(router, &reports.Report{Slide: r.Slide, Partitioners: r.Partitioners})
		for {
			var m wire.Received
			if err := router.RecvMsg(&m); err != nil {
				b.Fatal(err)
			}
			answer, _, err := wire.ReadResponse(m.Bytes(), j.shape.Workers, nil, 1<<20)
			m.Free()
			if err != nil {
				b.Fatal(err)
			}
			if answer == nil || answer.Window != r.Slide {
				continue
			}
			took := time.Since(began)
			j.follow(answer.Route)
			return took
		}
	})
}

// change makes another worker slow, or fast, at regular steps.
func (j *toy) change(step, every int) {
	if step%every == 0 {
		w := step / every % len(j.speeds)
		j.speeds[w], j.last = 2.6-j.speeds[w], nil
	}
}

// measure calls f every 20 ms and reports quantiles of what it returns, and how much
// processor time a call costs the server and this process.
func measure(b *testing.B, p *process, f func(i int) time.Duration) {
	var took []time.Duration
	server, here := p.spent(b), spent(b, os.Getpid())
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	i := 0
	for b.Loop() {
		<-ticks.C
		took = append(took, f(i))
		i++
	}
	for what, d := range map[string]time.Duration{"server": p.spent(b) - server, "client": spent(b, os.Getpid()) - here} {
		b.ReportMetric(float64(d.Microseconds())/float64(i), what+"-cpu-us")
	}
	slices.Sort(took)
	for _, q := range []float64{0.5, 0.99, 0.999} {
		b.ReportMetric(float64(took[int(q*float64(len(took)))].Microseconds()), fmt.Sprintf("p%v-us", 100*q))
	}
}

// A server with 200 jobs of 64 workers and ten windows a second each, the jobs in this
// process, on the cores that there are. A window that is not answered when the next
// one ends has missed its deadline.
func BenchmarkManyJobs(b *testing.B) {
	const jobs, workers, period = 200, 64, 100 * time.Millisecond
	p := startProcess(b, "")
	before := p.resident(b)
	clients := make([]*client.Client, jobs)
	toys := make([]*toy, jobs)
	for i := range jobs {
		toys[i] = newToy(workers)
		clients[i] = toys[i].attach(b, p.address, fmt.Sprintf("job-%d", i), func(c *client.Config) {
			c.StaleAfter = time.Hour
			c.Window.Ahead = 1
		})
		attached(b, clients[i])
	}
	var mu sync.Mutex
	var took []time.Duration
	missed := 0
	for b.Loop() {
		cpu, here := p.spent(b), spent(b, os.Getpid())
		began := time.Now()
		var all sync.WaitGroup
		const windows = 100
		for i := range jobs {
			all.Go(func() {
				j, controller := toys[i], clients[i].Controller(10*period)
				time.Sleep(period * time.Duration(i) / jobs)
				ticks := time.NewTicker(period)
				defer ticks.Stop()
				var route *policy.Route
				for step := range windows {
					<-ticks.C
					j.change(step+i, 20) // every two seconds, not all at once
					w := j.window()
					began := time.Now()
					route = controller.Decide(w, j.route).Route
					d := time.Since(began)
					j.follow(route)
					mu.Lock()
					took = append(took, d)
					if d > period {
						missed++
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
		for what, d := range map[string]time.Duration{"server": p.spent(b) - cpu, "client": spent(b, os.Getpid()) - here} {
			b.ReportMetric(float64(d.Microseconds())/(jobs*windows), what+"-cpu-us")
		}
		b.ReportMetric(float64(jobs*windows)/time.Since(began).Seconds(), "windows/s")
	}
	after := p.resident(b)
	slices.Sort(took)
	for _, q := range []float64{0.5, 0.99, 0.999, 1} {
		b.ReportMetric(float64(took[min(len(took)-1, int(q*float64(len(took))))].Microseconds()), fmt.Sprintf("p%v-us", 100*q))
	}
	b.ReportMetric(float64(missed), "missed")
	b.ReportMetric((after-before)/jobs/1024, "KiB/job")
}

// resident is how many bytes of memory a process has.
func (p *process) resident(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		b.Skip(err)
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); f[0] == "VmRSS:" {
			kib, err := strconv.ParseFloat(f[1], 64)
			if err != nil {
				b.Fatal(err)
			}
			return 1024 * kib
		}
	}
	b.Fatal("no resident memory is reported")
	return 0
}

func (p *process) spent(b *testing.B) time.Duration { return spent(b, p.Process.Pid) }

// spent is how much processor time a process has had.
func spent(b *testing.B, pid int) (cpu time.Duration) {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Skip(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	for _, ticks := range strings.Fields(rest)[11:13] { // user and system time, in 1/100 s
		n, err := strconv.Atoi(ticks)
		if err != nil {
			b.Fatal(err)
		}
		cpu += time.Duration(n) * 10 * time.Millisecond
	}
	return cpu
}

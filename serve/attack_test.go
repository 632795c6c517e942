package serve_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "github.com/saspart/saspart/proto/saspart/v1"
	"github.com/saspart/saspart/serve/client"
)

// attackVariable is how long TestAttack takes.
const attackVariable = "TEST_ATTACK"

// usage is what a server process uses.
type usage struct{ resident, goroutines, files, jobs float64 }

func (p *process) usage(t testing.TB) (u usage) {
	t.Helper()
	r, err := http.Get("http://" + p.pages + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		to := map[string]*float64{"process_resident_memory_bytes": &u.resident, "go_goroutines": &u.goroutines, "process_open_fds": &u.files, "saspart_jobs": &u.jobs}[name]
		if to == nil {
			continue
		}
		if *to, err = strconv.ParseFloat(value, 64); err != nil {
			t.Fatal(err)
		}
	}
	return u
}

// Jobs of 4096 workers that change all the time, jobs that come and go, and peers that talk
// garbage are at one server with small jobs. No small job's answer comes later than its
// next window, the server's memory, goroutines and descriptors do not grow, and when all
// have left it has given them back.
func TestAttack(t *testing.T) {
	if testing.Short() {
		t.Skip("measures times")
	}
	took, small := 8*time.Second, 40
	if text := os.Getenv(attackVariable); text != "" {
		var err error
		if took, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		small = 200
	}
	const slow, churn, period = 4, 50, time.Second
	p := startProcess(t, "")
	base := p.usage(t)
	ctx, cancel := context.WithTimeout(t.Context(), took)
	defer cancel()
	var all sync.WaitGroup
	var answered, late, visits, slowWindows atomic.Int64
	var longest atomic.Int64
	var clients []*client.Client

	attach := func(j *toy, name string) *client.Client {
		c := j.attach(t, p.address, name, func(c *client.Config) { c.StaleAfter = time.Hour })
		attached(t, c)
		clients = append(clients, c)
		return c
	}
	for i := range slow {
		j := newBig()
		c := attach(j, fmt.Sprint("slow", i))
		all.Go(func() {
			for step := 0; ctx.Err() == nil; step++ {
				j.change(step, 1)
				j.answer(c)
				slowWindows.Add(1)
			}
		})
	}
	for i := range small {
		j := newToy(8)
		c := attach(j, fmt.Sprint("small", i))
		all.Go(func() {
			time.Sleep(period * time.Duration(i) / time.Duration(small))
			ticks := time.NewTicker(period)
			defer ticks.Stop()
			for step := 0; ctx.Err() == nil; step++ {
				<-ticks.C
				j.change(step, 10)
				began := time.Now()
				ok := j.answer(c)
				d := time.Since(began)
				answered.Add(1)
				if !ok || d > period {
					late.Add(1)
				}
				for old := longest.Load(); int64(d) > old && !longest.CompareAndSwap(old, int64(d)); old = longest.Load() {
				}
			}
		})
	}
	for i := range churn {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			for n := 0; ctx.Err() == nil; n++ {
				comeAndGo(ctx, p.address, fmt.Sprint("churn", i, "-", n), rng)
				visits.Add(1)
				time.Sleep(time.Duration(rng.IntN(1000)) * time.Millisecond)
			}
		})
	}
	all.Go(func() { // garbage
		for ctx.Err() == nil {
			if conn, err := net.Dial("tcp", p.address); err == nil {
				_, _ = conn.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x04\x08\x00\x00\x00\x00\x00garbage"))
				time.Sleep(5 * time.Millisecond)
				_ = conn.Close()
			}
		}
	})
	var course []usage
	for range 40 {
		select {
		case <-ctx.Done():
		case <-time.After(took / 40):
			course = append(course, p.usage(t))
		}
	}
	all.Wait()
	for _, c := range clients {
		c.Close()
	}
	var end usage
	for range 3000 {
		if end = p.usage(t); end.jobs == 0 && end.goroutines <= base.goroutines+8 && end.files <= base.files+8 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	most := func(of []usage, f func(usage) float64) float64 {
		return f(slices.MaxFunc(of, func(a, b usage) int { return int(f(a) - f(b)) }))
	}
	n := len(course)
	for _, c := range []struct {
		what  string
		of    func(usage) float64
		slack float64
	}{
		{"bytes", func(u usage) float64 { return u.resident }, 64 << 20},
		{"goroutines", func(u usage) float64 { return u.goroutines }, 100},
		{"descriptors", func(u usage) float64 { return u.files }, 50},
	} {
		before, after := most(course[n/4:n/2], c.of), most(course[3*n/4:], c.of)
		t.Logf("%s: %.0f before, at most %.0f in the second quarter, %.0f in the last, %.0f afterwards", c.what, c.of(base), before, after, c.of(end))
		if after > 1.2*before+c.slack {
			t.Errorf("%s grow from %.0f to %.0f", c.what, before, after)
		}
	}
	t.Logf("%d windows of small jobs, %d late, the longest answer after %v; %d windows of slow jobs, %d visits", answered.Load(), late.Load(), time.Duration(longest.Load()), slowWindows.Load(), visits.Load())
	if late.Load() > 0 || answered.Load() < int64(small) || slowWindows.Load() < slow || visits.Load() < churn {
		t.Errorf("%d of %d windows of small jobs are answered late", late.Load(), answered.Load())
	}
	if end.jobs != 0 || end.goroutines > base.goroutines+8 || end.files > base.files+8 {
		t.Errorf("when all have left: %+v, before they came: %+v", end, base)
	}
}

// comeAndGo attaches a job of some size, reports windows and leaves, sometimes in the middle of
// a message.
func comeAndGo(ctx context.Context, address, name string, rng *rand.Rand) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	st, err := pb.NewPolicyServiceClient(conn).Attach(ctx)
	if err != nil {
		return
	}
	j := newToy(1 << rng.IntN(8))
	j.hot = j.hot[:min(len(j.hot), 256)]
	h := hello(j, name)
	if err := st.Send(&pb.AttachRequest{Message: &pb.AttachRequest_Hello{Hello: h}}); err != nil {
		return
	}
	for range rng.IntN(5) {
		if err := st.Send(&pb.AttachRequest{Message: &pb.AttachRequest_Report{Report: message(j.report())}}); err != nil {
			return
		}
		if _, err := st.Recv(); err != nil {
			return
		}
	}
	if rng.IntN(2) == 0 {
		_ = st.CloseSend()
		_, _ = st.Recv()
	}
}

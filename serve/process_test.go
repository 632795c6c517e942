package serve_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/serve"
	"github.com/saspart/saspart/serve/client"
)

// processVariable has this test binary be a server at the address that it holds.
const processVariable = "SASPART_TEST_SERVE_AT"

// attachVariable has this test binary be a job that is attached to the server at the
// address that it holds.
const attachVariable = "SASPART_TEST_ATTACH_AT"

// attachProcess reports windows until it is killed.
func attachProcess(address string) {
	j := newToy(8)
	config := client.Default()
	config.Address, config.Job, config.Program, config.Shape = address, "killed", "test", j.shape
	c, err := client.New(config)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	controller := c.Controller(time.Second)
	for {
		j.follow(controller.Decide(j.window(), j.route).Route)
		time.Sleep(10 * time.Millisecond)
	}
}

// serveProcess serves until SIGTERM.
func serveProcess(address string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	defer serve.RelaxCollector()() // as the command does
	m, err := serve.LoadModel(checkpoint.BuiltinName, learned.Default())
	fail(err)
	config := serve.Default()
	config.Limits.Reports, config.Limits.PerSecond, config.Linger = 1e6, 1e6, 10*time.Second
	s := serve.New(config, serve.Options{Name: "saspart test", Model: m, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Now: time.Now})
	l, err := net.Listen("tcp", address)
	fail(err)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	pages, err := net.Listen("tcp", "127.0.0.1:0")
	fail(err)
	h, err := s.Handler(nil, false)
	fail(err)
	web := &http.Server{Handler: h}
	go func() { _ = web.Serve(pages) }()
	defer web.Close()
	fmt.Println(l.Addr(), pages.Addr())
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	<-ctx.Done()
	ctx, cancel := context.WithTimeout(context.Background(), config.Drain)
	defer cancel()
	s.Stop(ctx)
	fail(<-done)
}

// process is a server in a process of its own, so that it can be killed and paused.
type process struct {
	*exec.Cmd
	address string
	pages   string // address of the live page
	kill    func()
}

// startProcess starts one at the address, and ends it with the test.
func startProcess(t testing.TB, address string) *process {
	t.Helper()
	if address == "" {
		address = "127.0.0.1:0"
	}
	p := &process{Cmd: exec.Command(os.Args[0], "-test.run=^$")}
	p.Env = append(os.Environ(), processVariable+"="+address)
	p.Stderr = &logged{}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	p.kill = sync.OnceFunc(func() {
		_ = p.Process.Kill() // it may have ended
		_ = p.Wait()         // with the signal
	})
	t.Cleanup(p.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the server does not start: %v: %v", err, p.Stderr)
	}
	if _, err := fmt.Sscan(line, &p.address, &p.pages); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *process) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

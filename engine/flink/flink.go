// Package flink runs jobs on a cluster of unmodified Apache Flink. It submits a program of
// saspart-flink-jobs, which attaches to a policy server in this process: the job sends its
// reports there and receives routes, rates and partitioners.
package flink

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/saspart/saspart/engine/flink/rest"
	"github.com/saspart/saspart/serve"
)

// Config says where jobs run.
type Config struct {
	Address string // of the cluster's REST interface, for example http://127.0.0.1:8081
	Jar     string // with the jobs; "": that of a checkout of saspart
	// Listen is the address, host:port, at which this process listens for its jobs, as the
	// cluster can reach it; "": any port of loopback. Jobs must show a token. Beyond loopback
	// connections are encrypted with a certificate made for the job, which trusts no other.
	Listen string
	// Detached is called with the ID of a job that is closed while it runs. The job then
	// continues by itself with its last route and rate. nil: such jobs are cancelled.
	Detached func(job string)
	Guard    []string // command that cancels the jobs if this process dies (RunGuard); empty: none does

	Attach time.Duration // how long after its submission all subtasks of a job must report
	Silent time.Duration // how long a job may be without windows, as when it restarts
	Lost   time.Duration // how long the cluster may fail to answer while there are no windows
	Log    *slog.Logger
	Now    func() time.Time
}

// Default waits for a job for a minute and a half, and for the cluster for half a minute.
func Default() Config {
	return Config{
		Address: "http://127.0.0.1:8081", Attach: 90 * time.Second, Silent: 90 * time.Second, Lost: 30 * time.Second,
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}
}

// JarVariable names the environment variable that says where the jar of the jobs is.
const JarVariable = "SASPART_FLINK_JAR"

// Engine is a cluster that runs jobs, one after the other or several at once. It is safe for
// concurrent use.
type Engine struct {
	config Config
	client *rest.Client
	// encrypt makes jobs on loopback connect as those beyond it do.
	encrypt bool
	lost    atomic.Bool // the cluster has stopped answering

	mu      sync.Mutex
	program string // the uploaded jar; "": not yet
	guard   *guard // nil: not started yet, or none is wanted
}

// New returns an engine without contacting the cluster. It must be closed.
func New(c Config) (*Engine, error) {
	if err := errors.Join(rest.CheckAddress(c.Address), checkListen(c.Listen)); err != nil {
		return nil, err
	}
	return &Engine{config: c, client: rest.New(c.Address)}, nil
}

// checkListen refuses what is no address, and addresses that a job could not connect to.
func checkListen(address string) error {
	if address == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || host == "" || ip != nil && ip.IsUnspecified() {
		return fmt.Errorf("%q does not say how the cluster reaches this machine: write its name or address and a port (0 for any free one), as in 10.0.0.5:0", address)
	}
	return nil
}

// Close removes what was uploaded. Jobs must be closed before. A nil engine has nothing to
// close.
func (e *Engine) Close() error {
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	defer e.client.Close()
	var err error
	if e.program != "" && !e.lost.Load() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err = e.client.Delete(ctx, e.program); rest.Gone(err) {
			err = nil
		} else if err != nil {
			err = fmt.Errorf("remove the uploaded program from the cluster: %w", reason(err))
		}
	}
	e.program = ""
	if e.guard != nil {
		err = errors.Join(err, e.guard.close())
		e.guard = nil
	}
	return err
}

// prepare uploads the program and starts the guard, unless that has been done.
func (e *Engine) prepare(ctx context.Context) (program string, g *guard, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, err := e.client.Overview(ctx); err != nil {
		return "", nil, fmt.Errorf("no Flink cluster answers at %s; start one with saspart flink up, or name another with --flink: %w", e.config.Address, reason(err))
	}
	if e.program == "" {
		jar := e.config.Jar
		if jar == "" {
			if jar, err = findJar(); err != nil {
				return "", nil, err
			}
		}
		if e.program, err = e.client.Upload(ctx, jar); err != nil {
			return "", nil, err
		}
	}
	if e.guard == nil && len(e.config.Guard) > 0 {
		if e.guard, err = startGuard(e.config.Guard); err != nil {
			return "", nil, err
		}
	}
	return e.program, e.guard, nil
}

// reason is why a request failed, without the request itself.
func reason(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// jarPattern is where a checkout has the jar, below its root.
const jarPattern = "flink/jobs/target/saspart-flink-jobs-*.jar"

// findJar looks for the jar from the working directory upwards.
func findJar() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		found, _ := filepath.Glob(filepath.Join(dir, filepath.FromSlash(jarPattern))) // the pattern is valid
		for _, jar := range found {
			extra := func(end string) bool { return strings.HasSuffix(jar, end) } // of sources or tests
			if !slices.ContainsFunc([]string{"-sources.jar", "-tests.jar", "-javadoc.jar"}, extra) {
				return jar, nil
			}
		}
		if _, err := os.Stat(filepath.Join(dir, "flink", "pom.xml")); err == nil {
			return "", fmt.Errorf("%s does not exist; build it with make flink", filepath.Join(dir, jarPattern))
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("the jar of the Flink jobs is needed: build it with make flink in a checkout of saspart, and name it with --jar or %s", JarVariable)
		}
		dir = up
	}
}

// newID returns a job ID of the form that Flink uses.
func newID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	return hex.EncodeToString(id)
}

// server is a policy server for one job, in this process.
type server struct {
	*serve.Server
	feed  *serve.Feed
	at    string
	token string
	// authority is the server's certificate, as PEM; "": connections are not encrypted.
	authority string
	over      context.CancelCauseFunc // of the feed
	served    chan error
}

// listen starts a server for a job.
func (e *Engine) listen(workers int, window time.Duration, o serve.Options) (*server, error) {
	address := e.config.Listen
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for the job (--flink-listen): %w", err)
	}
	host, _, err := net.SplitHostPort(address) // the name by which the cluster knows this machine
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	at := net.JoinHostPort(host, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	secret, authority := credentials.TransportCredentials(nil), ""
	if e.encrypt || !serve.Loopback(address) {
		if secret, authority, err = certify(host, e.config.Now()); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	f := serve.DefaultFeed(workers)
	f.Patience, f.Limit = min(f.Patience, window/4), 0
	c := serve.Default()
	c.Limits.Jobs, c.Limits.Workers, c.Limits.Message = 1, workers, 32<<20
	c.MaxImbalance, c.MaxExcess = 0, 0 // the engine's caller decides, whatever comes of it
	c.Linger = time.Hour               // a job that restarts is still the same job
	c.Window.Deadline = max(c.Window.Deadline, min(window/2, time.Second))
	c.Drain = time.Second
	ctx, over := context.WithCancelCause(context.Background())
	s := &server{feed: serve.NewFeed(ctx, f), at: at, token: rand.Text(), authority: authority, over: over, served: make(chan error, 1)}
	o.Model, o.Only, o.Tokens, o.TLS, o.Log, o.Now = s.feed.Model("saspart"), workers, serve.OneToken(s.token), secret, e.config.Log, e.config.Now
	s.Server = serve.New(c, o)
	go func() { s.served <- s.Serve(l) }()
	return s, nil
}

// close stops the server.
func (s *server) close() error {
	s.over(io.ErrClosedPipe)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.Stop(ctx)
	return <-s.served
}

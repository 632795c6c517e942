package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/credentials"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/experiment"
	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/serve"
	"github.com/saspart/saspart/serve/client"
)

// serverOptions is how a run reaches the policy server that decides for it.
type serverOptions struct {
	address    string // empty: the run decides for itself
	job        string // name at the server; empty: the experiment's
	tokenFile  string
	ca         string // PEM file; empty with plain false: the system's authorities
	cert, key  string // PEM files, for a server that asks for them
	staleAfter time.Duration
}

// served is the name of the partitioner that a policy server can decide for.
const served = "saspartitioner"

func (o *serverOptions) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.address, "server", "", "let the policy server at this `address` decide for "+served)
	f.StringVar(&o.job, "server-job", "", "the job's `name` at the server (default the experiment's)")
	f.StringVar(&o.tokenFile, "server-token", "", "`file` with the token for the server")
	f.StringVar(&o.ca, "server-ca", "", "connect by TLS; certificate authorities of the server, a PEM `file`")
	f.StringVar(&o.cert, "server-cert", "", "client certificate, a PEM `file`")
	f.StringVar(&o.key, "server-key", "", "its key, a PEM `file`")
	f.DurationVar(&o.staleAfter, "server-stale", client.Default().StaleAfter, "use analytic routes when the server has not answered for this much of the job's time")
}

// check refuses combinations that cannot be meant.
func (o *serverOptions) check(experiments []*config.Experiment) error {
	if o.address == "" {
		if *o != (serverOptions{staleAfter: o.staleAfter}) {
			return usagef("--server-job, --server-token, --server-ca, --server-cert and --server-key need --server")
		}
		return nil
	}
	if o.staleAfter <= 0 {
		return usagef("--server-stale is %v; it must be above 0", o.staleAfter)
	}
	if (o.cert == "") != (o.key == "") || o.cert != "" && o.ca == "" {
		return usagef("--server-cert and --server-key go together, and with --server-ca")
	}
	if slices.ContainsFunc(experiments, func(e *config.Experiment) bool { return e.Partitioner.Name == served }) {
		return nil
	}
	return usagef("--server decides for %s, and this run is not under it: add --partitioner %s", served, served)
}

// connect attaches the job of e to the server, and waits a little for its welcome. The
// client must be closed.
func (o *serverOptions) connect(ctx context.Context, a *app, e *config.Experiment, engine string) (*client.Client, policy.Controller, error) {
	c := client.Default()
	c.Address, c.Job, c.Program, c.StaleAfter = o.address, o.job, buildVersion().String(), o.staleAfter
	if c.Job == "" {
		c.Job = e.Name
	}
	// The job is one process that measures in whole windows.
	c.Shape = reports.Shape{
		Workers: e.Job.Workers, Partitioners: 1, Slots: policy.SlotCount(e.Job.Workers), Slides: 1, Slide: e.Job.MetricWindow(),
		Named: e.Job.HotKeys,
	}
	if engine != experiment.Flink { // where buffers hold what waits, and are no queues of so many records
		c.Shape.Queue = e.Job.Queue
	}
	c.Waterfill = e.Partitioner.Waterfill
	c.Log = slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	c.Now = a.now
	patience := e.Job.MetricWindow() / 4
	var clock *atomic.Int64
	if engine == experiment.Sim {
		// Its time runs ahead of the wall's, so its answers are waited for.
		clock = new(atomic.Int64)
		c.Now = func() time.Time { return time.Unix(0, clock.Load()) }
		patience = 2 * time.Second
	}
	var err error
	if o.tokenFile != "" {
		if c.Token, err = serve.ReadToken(o.tokenFile); err != nil {
			return nil, nil, err
		}
	}
	if o.ca != "" {
		if c.TLS, err = o.credentials(); err != nil {
			return nil, nil, err
		}
	}
	attached, err := client.New(c)
	if err != nil {
		return nil, nil, err
	}
	greeting, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if err := attached.Attached(greeting); err != nil {
		a.narrate("%v; the run begins without it", err)
	} else if s := attached.Status(); s.Reason == "" {
		a.narrate("%s decides, at %s", s.Model, o.address)
	}
	return attached, &jobTime{attached.Controller(patience), clock}, nil
}

// credentials is this end of TLS.
func (o *serverOptions) credentials() (credentials.TransportCredentials, error) {
	pool, err := serve.ReadAuthorities(o.ca)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	if o.cert != "" {
		pair, err := serve.ReadCertificate(o.cert, o.key)
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return credentials.NewTLS(c), nil
}

// jobTime is a controller that keeps a clock at the job's time.
type jobTime struct {
	policy.Controller
	clock *atomic.Int64 // nil: the job's time is the wall's
}

// Decide implements policy.Controller.
func (j *jobTime) Decide(w *policy.Window, latest *policy.Route) policy.Decision {
	if j.clock != nil {
		j.clock.Store(int64(w.End))
	}
	return j.Controller.Decide(w, latest)
}

// farewell says what the server did for a run, and detaches from it.
func (a *app) farewell(c *client.Client) {
	s := c.Status()
	a.narrate("policy server: %s answered, with %s; the analytic fallback gave %s",
		plural(int(s.Answers), "window"), plural(int(s.Routes), "route"), plural(int(s.Analytic), "route"))
	c.Close()
}

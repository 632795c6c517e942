package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/credentials"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/serve"
)

type serveOptions struct {
	checkpoint   string
	pool         string // folder; empty: the checkpoint decides
	watch        bool
	watchEvery   time.Duration
	listen, http string // addresses
	cert, key    string // PEM files; both empty: in the clear
	clientCA     string // PEM file; empty: clients need no certificate
	tokenFile    string // empty: clients need no token
	insecure     bool
	config       serve.Config
	output       string
}

func (a *app) serveCommand() *cobra.Command {
	opts := serveOptions{config: serve.Default()}
	c := &opts.config
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Decide for jobs in other processes: the policy server",
		Long: `Answers the metric windows of jobs in other processes with routes, as the policy of a
checkpoint decides, until it is ended by SIGTERM or an interrupt: then it tells the
jobs, ends their streams and leaves with exit code 0. Jobs go on without it.

A job for which the checkpoint was not made gets analytic routes, as waterfill plans
them, and is told so. A shares policy fits one number of workers, and keys like those
that it was trained on: --key-distance is how far the heaviest keys' parts of the
records may be from theirs, rank by rank (the root of the summed squares). From zipf
1.5 to 1.4 that is 0.06, to 1.0 it is 0.30, and about as much is the imbalance that
the policy then comes to. When keys are as they were, the model decides again.

The second address serves a live page, /metrics for Prometheus, /healthz and /readyz.

Both addresses are of this machine only by default. Any other needs a certificate
(--tls-cert, --tls-key; --client-ca asks clients for one too) or --insecure. Clients
show the token of --token-file, if there is one, and browsers as a password.

serve/PROTOCOL.md describes what jobs send; package serve/client does it for Go.`,
		Example: `  saspart serve
  saspart serve --checkpoint runs/first --watch
  saspart serve --listen 0.0.0.0:7070 --tls-cert server.pem --tls-key server.key --client-ca jobs.pem --token-file token
  saspart run --partitioner saspartitioner --server 127.0.0.1:7070`,
		Args: noArgs,
	}
	f := cmd.Flags()
	f.StringVar(&opts.checkpoint, "checkpoint", policy.BuiltinName, "checkpoint or training run that decides: a `folder`, or builtin")
	f.StringVar(&opts.pool, "pool", "", "`folder` of checkpoints and training runs, of which the one decides that was trained on the keys most like a job's")
	f.BoolVar(&opts.watch, "watch", false, "take up newer checkpoints as they are written to that folder")
	f.DurationVar(&opts.watchEvery, "watch-every", 2*time.Second, "how often to look for one")
	f.StringVar(&opts.listen, "listen", "127.0.0.1:7070", "`address` for jobs")
	f.StringVar(&opts.http, "http", "127.0.0.1:7071", "`address` of the live page and the metrics; empty: none")
	f.StringVar(&opts.cert, "tls-cert", "", "certificate of both addresses, a PEM `file`")
	f.StringVar(&opts.key, "tls-key", "", "its key, a PEM `file`")
	f.StringVar(&opts.clientCA, "client-ca", "", "who must have signed the clients' certificates, a PEM `file`")
	f.StringVar(&opts.tokenFile, "token-file", "", "`file` with the token that clients must show")
	f.BoolVar(&opts.insecure, "insecure", false, "listen in the clear where other machines can connect")
	f.DurationVar(&c.Window.Deadline, "window-deadline", c.Window.Deadline, "how long a window waits for missing subtasks")
	f.Float64Var(&c.KeyDistance, "key-distance", c.KeyDistance, "how far a job's hot keys may be from those that a shares policy was trained on, from 0 to 1.41; 0: any `distance`")
	f.DurationVar(&c.Drain, "drain", c.Drain, "how long streams may take to end when the server stops")
	f.IntVar(&c.Limits.Message, "max-message", c.Limits.Message, "`bytes` in one message")
	f.IntVar(&c.Limits.Connections, "max-connections", c.Limits.Connections, "connections at a `time`")
	f.IntVar(&c.Limits.Streams, "max-streams", c.Limits.Streams, "streams at a `time`, over all connections")
	f.IntVar(&c.Limits.PerClient, "max-streams-per-client", c.Limits.PerClient, "streams on one connection")
	f.IntVar(&c.Limits.Jobs, "max-jobs", c.Limits.Jobs, "jobs at a `time`")
	f.IntVar(&c.Limits.Workers, "max-workers", c.Limits.Workers, "workers of one job, at most `P`")
	f.Float64Var(&c.Limits.Reports, "max-reports", c.Limits.Reports, "reports per second and stream")
	cmd.MarkFlagsMutuallyExclusive("checkpoint", "pool")
	cmd.MarkFlagsMutuallyExclusive("watch", "pool")
	output := outputFlag(cmd, "text", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		opts.output = output.value
		return a.runServe(cmd.Context(), opts)
	}
	return cmd
}

// listening is where a server can be reached.
type listening struct {
	Listen string `json:"listen"`
	HTTP   string `json:"http,omitempty"`
	Model  string `json:"model"`
}

func (a *app) runServe(ctx context.Context, opts serveOptions) (err error) {
	token, secure, err := opts.security()
	if err != nil {
		return err
	}
	learned := policy.DefaultLearned()
	load := func() (*serve.Model, error) { return serve.LoadModel(opts.checkpoint, learned) }
	if opts.pool != "" {
		load = func() (*serve.Model, error) { return serve.PoolModel(opts.pool, learned) }
	}
	model, err := load()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(a.err, nil))
	o := serve.Options{Name: buildVersion().String(), Model: model, Token: token, Log: log, Now: a.now}
	if secure != nil {
		o.TLS = credentials.NewTLS(secure)
	}
	server := serve.New(opts.config, o)

	jobs, err := net.Listen("tcp", opts.listen)
	if err != nil {
		return err
	}
	ended := make(chan error, 2)
	at := listening{Listen: jobs.Addr().String(), Model: model.Name}
	stopPages := func(context.Context) error { return nil }
	if opts.http != "" {
		if at.HTTP, stopPages, err = opts.pages(server, token, secure, ended); err != nil {
			return errors.Join(err, jobs.Close())
		}
	}
	go func() { ended <- server.Serve(jobs) }()
	watching, stopWatching := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if opts.watch {
			serve.Watch(watching, server, opts.checkpoint, learned, opts.watchEvery, log)
		}
	}()
	err = a.printListening(at, opts.output)
	if err == nil {
		select {
		case err = <-ended:
		case <-ctx.Done():
		}
	}
	stopWatching()
	<-watched
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), opts.config.Drain)
	defer cancel()
	server.Stop(drain)
	return errors.Join(err, stopPages(drain))
}

// security reads the token and the certificates, and refuses what would be open to
// everybody by mistake.
func (o *serveOptions) security() (token string, secure *tls.Config, err error) {
	if err := o.config.Validate(); err != nil {
		return "", nil, usagef("%w", err)
	}
	switch {
	case (o.cert == "") != (o.key == ""):
		return "", nil, usagef("--tls-cert and --tls-key go together")
	case o.clientCA != "" && o.cert == "":
		return "", nil, usagef("--client-ca needs --tls-cert and --tls-key")
	case o.watch && o.checkpoint == policy.BuiltinName:
		return "", nil, usagef("--watch needs a folder to watch: name one with --checkpoint")
	case o.watchEvery <= 0:
		return "", nil, usagef("--watch-every is %v; it must be above 0", o.watchEvery)
	}
	for _, address := range []string{o.listen, o.http} {
		if address == "" && address == o.http {
			continue
		}
		if err := serve.CheckAddress(address, o.cert != "", o.insecure); err != nil {
			return "", nil, usagef("%w", err)
		}
	}
	if o.cert != "" {
		if secure, err = serve.TLSConfig(o.cert, o.key, o.clientCA); err != nil {
			return "", nil, err
		}
	}
	if o.tokenFile != "" {
		token, err = serve.ReadToken(o.tokenFile)
	}
	return token, secure, err
}

// pages serves HTTP until the function returned is called. Why it ended earlier goes
// to ended.
func (o *serveOptions) pages(s *serve.Server, token string, secure *tls.Config, ended chan<- error) (address string, stop func(context.Context) error, err error) {
	l, err := net.Listen("tcp", o.http)
	if err != nil {
		return "", nil, err
	}
	handler, err := s.Handler(token, serve.Loopback(o.http))
	if err != nil {
		return "", nil, errors.Join(err, l.Close())
	}
	address = l.Addr().String()
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	pages := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := pages.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			ended <- err
		}
	}()
	return address, func(ctx context.Context) error {
		err := pages.Shutdown(ctx)
		if errors.Is(err, context.DeadlineExceeded) { // whoever still reads is cut off
			err = pages.Close()
		}
		<-done
		return err
	}, nil
}

func (a *app) printListening(at listening, format string) error {
	if format == "json" {
		return json.NewEncoder(a.out).Encode(at)
	}
	_, err := fmt.Fprintf(a.out, "jobs: %s\n", at.Listen)
	if at.HTTP != "" && err == nil {
		_, err = fmt.Fprintf(a.out, "page: %s\n", at.HTTP)
	}
	return err
}

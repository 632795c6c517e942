package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/credentials"

	"github.com/saspart/saspart/serve"
)

// listenOptions is where a policy server listens, to whom, and what clients may ask
// for.
type listenOptions struct {
	listen, http string // addresses
	cert, key    string // PEM files; both empty: in the clear
	clientCA     string // PEM file; empty: clients need no certificate
	tokenFile    string // empty: clients need no token
	insecure     bool
	reflect      bool // gRPC reflection for other machines, too
	config       serve.Config
}

// add adds the flags. The values there are become the defaults.
func (o *listenOptions) add(cmd *cobra.Command) {
	f, c := cmd.Flags(), &o.config
	f.StringVar(&o.listen, "listen", o.listen, "`address` for jobs, for example 127.0.0.1:7070")
	f.StringVar(&o.http, "http", "127.0.0.1:7071", "`address` of the live page and the metrics; empty: none")
	f.StringVar(&o.cert, "tls-cert", "", "certificate of both addresses, a PEM `file`")
	f.StringVar(&o.key, "tls-key", "", "its key, a PEM `file`")
	f.StringVar(&o.clientCA, "client-ca", "", "certificate authorities of the clients, a PEM `file`")
	f.StringVar(&o.tokenFile, "token-file", "", "`file` with the tokens of which clients must send one; a line has a token and, if it is for some jobs only, patterns of their names")
	f.BoolVar(&o.reflect, "grpc-reflection", false, "answer gRPC reflection on addresses that other machines can reach, too")
	f.BoolVar(&o.insecure, "insecure", false, "listen without TLS on addresses that other machines can reach")
	f.DurationVar(&c.Window.Deadline, "window-deadline", c.Window.Deadline, "how long a window waits for missing subtasks")
	f.DurationVar(&c.Decide, "decide-within", c.Decide, "how long a window waits for its decision; then the latest route stays, and the decision's comes with a later answer")
	f.DurationVar(&c.Drain, "drain", c.Drain, "how long streams may take to end when the server stops")
	f.Int64Var(&c.Limits.Memory, "max-memory", c.Limits.Memory, "jobs attach as long as all of them are expected to take at most this many `bytes`")
	f.IntVar(&c.Limits.Message, "max-message", c.Limits.Message, "at most this many `bytes` in one message")
	f.IntVar(&c.Limits.Connections, "max-connections", c.Limits.Connections, "at most `N` connections with streams of jobs at a time")
	f.IntVar(&c.Limits.Strangers, "max-strangers", c.Limits.Strangers, "at most `N` connections without one; for more, the oldest is closed")
	f.IntVar(&c.Limits.HTTP, "max-http-connections", c.Limits.HTTP, "at most `N` connections for the page and the metrics; for more, the oldest is closed")
	f.IntVar(&c.Limits.HostConnections, "max-connections-per-host", c.Limits.HostConnections, "at most `N` connections from one host")
	f.DurationVar(&c.Keepalive.Idle, "max-idle", c.Keepalive.Idle, "close connections that are without streams for this long; 0: never")
	f.DurationVar(&c.Keepalive.Age, "max-age", c.Keepalive.Age, "close connections after this long, so that jobs show their tokens again; 0: never")
	f.IntVar(&c.Limits.Streams, "max-streams", c.Limits.Streams, "at most `N` streams at a time, over all connections")
	f.IntVar(&c.Limits.PerClient, "max-streams-per-client", c.Limits.PerClient, "at most `N` streams on one connection")
	f.Float64Var(&c.Limits.Reports, "max-reports", c.Limits.Reports, "at most this many `reports/s` on a stream")
	f.Float64Var(&c.Limits.PerSecond, "max-reports-per-client", c.Limits.PerSecond, "at most this many `reports/s` over all streams of a connection")
}

// security is what keeps others out.
type security struct {
	tokens func() serve.Tokens // nil: none is asked for
	tls    *tls.Config         // nil: in the clear
}

// listening is where a server can be reached.
type listening struct {
	Listen string `json:"listen"`
	HTTP   string `json:"http,omitempty"`
	Model  string `json:"model"`
}

// openServer is a server that listens.
type openServer struct {
	*serve.Server
	at    listening
	ended chan error // why one of its addresses ended by itself
	drain time.Duration
	pages func(context.Context) error // ends them
}

// open has a server listen: made of o, with the security that s says.
func (o *listenOptions) open(s security, with serve.Options) (*openServer, error) {
	with.Tokens = s.tokens
	with.Reflect = o.reflect || serve.Loopback(o.listen)
	if s.tls != nil && o.clientCA == "" && s.tokens == nil {
		with.Log.Warn("any peer may attach: connections are encrypted, but there is neither --client-ca nor --token-file")
	}
	if s.tls != nil {
		with.TLS = credentials.NewTLS(s.tls)
	}
	out := &openServer{
		Server: serve.New(o.config, with), ended: make(chan error, 2), drain: o.config.Drain,
		pages: func(context.Context) error { return nil },
	}
	jobs, err := net.Listen("tcp", o.listen)
	if err != nil {
		return nil, err
	}
	out.at = listening{Listen: jobs.Addr().String(), Model: with.Model.Name}
	if o.http != "" {
		if out.at.HTTP, out.pages, err = o.pages(out.Server, s, out.ended); err != nil {
			return nil, errors.Join(err, jobs.Close())
		}
	}
	go func() { out.ended <- out.Serve(jobs) }()
	return out, nil
}

// stop ends the server, whether ctx is done or not.
func (s *openServer) stop(ctx context.Context) error {
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.drain)
	defer cancel()
	s.Stop(drain)
	return s.pages(drain)
}

// security reads the token and the certificates, and refuses what would be open to
// everybody by mistake.
func (o *listenOptions) security() (s security, err error) {
	if err := o.config.Validate(); err != nil {
		return s, usagef("%w", err)
	}
	switch {
	case (o.cert == "") != (o.key == ""):
		return s, usagef("--tls-cert and --tls-key go together")
	case o.clientCA != "" && o.cert == "":
		return s, usagef("--client-ca needs --tls-cert and --tls-key")
	}
	for _, address := range []string{o.listen, o.http} {
		if address == "" && address == o.http {
			continue
		}
		if err := serve.CheckAddress(address, o.cert != "", o.insecure); err != nil {
			return s, usagef("%w", err)
		}
	}
	if o.cert != "" {
		if s.tls, err = serve.TLSConfig(o.cert, o.key, o.clientCA); err != nil {
			return s, err
		}
	}
	if o.tokenFile != "" {
		s.tokens, err = serve.TokenFile(o.tokenFile)
	}
	return s, err
}

// pages serves HTTP until the function returned is called. Why it ended earlier goes
// to ended.
func (o *listenOptions) pages(s *serve.Server, secured security, ended chan<- error) (address string, stop func(context.Context) error, err error) {
	l, err := net.Listen("tcp", o.http)
	if err != nil {
		return "", nil, err
	}
	handler, err := s.Handler(secured.tokens, serve.Loopback(o.http))
	if err != nil {
		return "", nil, errors.Join(err, l.Close())
	}
	address = l.Addr().String()
	l = s.HTTPListener(l)
	if secured.tls != nil {
		l = tls.NewListener(l, secured.tls)
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
		if errors.Is(err, context.DeadlineExceeded) { // readers that remain are cut off
			err = pages.Close()
		}
		<-done
		return err
	}, nil
}

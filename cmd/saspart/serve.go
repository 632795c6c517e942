package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/serve"
)

type serveOptions struct {
	listenOptions
	checkpoint string
	pool       string // folder; empty: the checkpoint decides
	watch      bool
	watchEvery time.Duration
	output     string
}

func (a *app) serveCommand() *cobra.Command {
	opts := serveOptions{listenOptions: listenOptions{listen: "127.0.0.1:7070", config: serve.Default()}}
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

At least 32 MiB of garbage pile up before they are collected, since that delays answers.

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
	f.StringVar(&opts.checkpoint, "checkpoint", checkpoint.BuiltinName, "checkpoint or training run that decides: a `folder`, or builtin")
	f.StringVar(&opts.pool, "pool", "", "`folder` of checkpoints and training runs, of which the one decides that was trained on the keys most like a job's")
	f.BoolVar(&opts.watch, "watch", false, "take up newer checkpoints as they are written to that folder")
	f.DurationVar(&opts.watchEvery, "watch-every", 2*time.Second, "how often to look for one")
	opts.add(cmd)
	f.Float64Var(&c.KeyDistance, "key-distance", c.KeyDistance, "how far a job's hot keys may be from those that a shares policy was trained on, from 0 to 1.41; 0: any `distance`")
	f.IntVar(&c.Limits.Jobs, "max-jobs", c.Limits.Jobs, "at most `N` jobs at a time")
	f.IntVar(&c.Limits.Workers, "max-workers", c.Limits.Workers, "workers of one job, at most `P`")
	cmd.MarkFlagsMutuallyExclusive("checkpoint", "pool")
	cmd.MarkFlagsMutuallyExclusive("watch", "pool")
	output := outputFlag(cmd, "text", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		opts.output = output.value
		return a.runServe(cmd.Context(), opts)
	}
	return cmd
}

func (a *app) runServe(ctx context.Context, opts serveOptions) error {
	switch {
	case opts.watch && opts.checkpoint == checkpoint.BuiltinName:
		return usagef("--watch needs a folder to watch: name one with --checkpoint")
	case opts.watchEvery <= 0:
		return usagef("--watch-every is %v; it must be above 0", opts.watchEvery)
	}
	security, err := opts.security()
	if err != nil {
		return err
	}
	defer serve.RelaxCollector()()
	learned := learned.Default()
	load := func() (*serve.Model, error) { return serve.LoadModel(opts.checkpoint, learned) }
	if opts.pool != "" {
		load = func() (*serve.Model, error) { return serve.PoolModel(opts.pool, learned) }
	}
	model, err := load()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(a.err, nil))
	s, err := opts.open(security, serve.Options{Name: buildVersion().String(), Model: model, Log: log, Now: a.now})
	if err != nil {
		return err
	}
	watching, stopWatching := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if opts.watch {
			serve.Watch(watching, s.Server, opts.checkpoint, learned, opts.watchEvery, log)
		}
	}()
	err = a.printListening(s.at, opts.output)
	if err == nil {
		select {
		case err = <-s.ended:
		case <-ctx.Done():
		}
	}
	stopWatching()
	<-watched
	return errors.Join(err, s.stop(ctx))
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

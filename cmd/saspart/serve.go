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
		Long: `Answers the metric windows of jobs in other processes with the routes of a checkpoint's
policy. SIGTERM or an interrupt stops it: it notifies the jobs, ends their streams and
exits with code 0. Jobs continue without it.

A job that the checkpoint does not fit gets waterfill's analytic routes and a notice. A
shares policy fits one number of workers, and keys like those at training. --key-distance
is the largest distance between the parts of the records that the heaviest keys have, rank
by rank (the root of the summed squares). From zipf 1.5 to 1.4 the distance is 0.06, to
1.0 it is 0.30; the policy's imbalance is then about as large. When the keys fit again,
the policy decides again.

Garbage is collected when there are at least 32 MiB, since collections delay answers.

The second address serves a live page, /metrics for Prometheus, /healthz and /readyz.

By default both addresses accept connections from this machine only. Other addresses need
a certificate (--tls-cert, --tls-key; --client-ca requires client certificates too) or
--insecure. Clients send the token of --token-file, browsers send it as a password.

serve/PROTOCOL.md documents the protocol; package serve/client implements it for Go.`,
		Example: `  saspart serve
  saspart serve --checkpoint runs/first --watch
  saspart serve --listen 0.0.0.0:7070 --tls-cert server.pem --tls-key server.key --client-ca jobs.pem --token-file token
  saspart run --partitioner saspartitioner --server 127.0.0.1:7070`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runServe(cmd.Context(), opts) },
	}
	f := cmd.Flags()
	f.StringVar(&opts.checkpoint, "checkpoint", checkpoint.BuiltinName, "checkpoint or training run that decides: a `folder`, or builtin")
	f.StringVar(&opts.pool, "pool", "", "`folder` of checkpoints and training runs; the policy trained on the keys most similar to a job's decides")
	f.BoolVar(&opts.watch, "watch", false, "load newer checkpoints as they are written to that folder")
	f.DurationVar(&opts.watchEvery, "watch-every", 2*time.Second, "how often to look for a newer checkpoint")
	opts.add(cmd)
	f.Float64Var(&c.KeyDistance, "key-distance", c.KeyDistance, "how far a job's hot keys may be from those that a shares policy was trained on, from 0 to 1.41; 0: any `distance`")
	f.Float64Var(&c.MaxImbalance, "max-imbalance", c.MaxImbalance, "a policy whose windows are beyond this `imbalance` 8 times in a row decides no more for the job; 0: any imbalance")
	f.Float64Var(&c.MaxExcess, "max-excess", c.MaxExcess, "so does a policy with windows beyond this `imbalance` in which analytic routes would relieve the busiest worker by as much; 0: any imbalance")
	f.IntVar(&c.Limits.Jobs, "max-jobs", c.Limits.Jobs, "at most `N` jobs at a time")
	f.IntVar(&c.Limits.HostJobs, "max-jobs-per-host", c.Limits.HostJobs, "at most `N` jobs of one host")
	f.IntVar(&c.Limits.Workers, "max-workers", c.Limits.Workers, "workers of one job, at most `P`")
	f.IntVar(&c.Limits.Pairs, "max-pairs", c.Limits.Pairs, "workers times hot keys of one job, at most `N`")
	cmd.MarkFlagsMutuallyExclusive("checkpoint", "pool")
	cmd.MarkFlagsMutuallyExclusive("watch", "pool")
	outputFlag(cmd, &opts.output, "text", "json")
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

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/saspart/saspart/serve"
	"github.com/saspart/saspart/train/online"
	"github.com/saspart/saspart/train/setup"
)

// trainingServerConfig is for the server of a training, which takes one job at a time.
// Another may attach as soon as the first has left.
func trainingServerConfig() serve.Config {
	c := serve.Default()
	c.Limits.Jobs, c.Linger = 1, 5*time.Second
	c.MaxImbalance, c.MaxExcess = 0, 0 // the training explores, and has a limit of its own
	return c
}

// serverFlags annotates the flags that need --listen.
const serverFlags = "with --listen"

// addServer adds the flags of the server.
func (o *trainOnlineOptions) addServer(cmd *cobra.Command) {
	before := map[string]bool{}
	cmd.Flags().VisitAll(func(f *pflag.Flag) { before[f.Name] = true })
	o.server.add(cmd)
	cmd.Flags().DurationVar(&o.wait, "wait", 10*time.Minute, "how long to wait for a job to attach, or to return; 0: forever")
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !before[f.Name] && f.Name != "listen" {
			f.Usage += " (with --listen)"
			f.Annotations = map[string][]string{serverFlags: nil}
		}
	})
	cmd.Flags().Lookup("listen").Usage = "learn on a job in another process, which attaches at this `address`, for example 127.0.0.1:7070"
	cmd.MarkFlagsMutuallyExclusive("listen", "engine")
}

// withoutServer reports flags of a server that were given without --listen.
func withoutServer(cmd *cobra.Command) error {
	var wrong []string
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if _, ok := f.Annotations[serverFlags]; ok {
			wrong = append(wrong, "--"+f.Name)
		}
	})
	if len(wrong) > 0 {
		return usagef("the job runs in this process, so no other can attach: %s only with --listen", strings.Join(wrong, ", "))
	}
	return nil
}

// trainingServer is the policy server of a training. Without a feed there is none.
type trainingServer struct {
	feed   *serve.Feed
	app    *app
	opts   *trainOnlineOptions
	with   serve.Options
	secure security
	fail   context.CancelCauseFunc // ends the feed
	server *openServer             // nil: not opened yet
	ended  chan struct{}           // closed when server has
}

// trainingServer prepares the server of a training.
func (a *app) trainingServer(ctx context.Context, opts trainOnlineOptions, c *setup.Online) (*trainingServer, error) {
	b := &trainingServer{app: a, opts: &opts, ended: make(chan struct{})}
	if opts.server.listen == "" {
		return b, nil
	}
	if opts.wait < 0 {
		return nil, usagef("--wait is %v; it must not be negative", opts.wait)
	}
	var err error
	if b.secure, err = opts.server.security(); err != nil {
		return nil, err
	}
	window := c.Experiment.Job.MetricWindow()
	feed := serve.DefaultFeed(c.Experiment.Job.Workers)
	feed.Limit, feed.Patience, feed.Quiet = opts.wait, min(feed.Patience, window/4), max(feed.Quiet, 3*window)
	feed.Tell = func(gone bool) {
		switch {
		case !gone:
			a.narrate("windows arrive again")
		case opts.wait > 0:
			a.narrate("no window for %v: the training waits up to %v for a job of %d workers", feed.Quiet, opts.wait, feed.Workers)
		default:
			a.narrate("no window for %v: the training waits for a job of %d workers", feed.Quiet, feed.Workers)
		}
	}
	ctx, b.fail = context.WithCancelCause(ctx)
	b.feed = serve.NewFeed(ctx, feed)
	b.with = serve.Options{
		Name: buildVersion().String(), Model: b.feed.Model("training"), Only: feed.Workers,
		Log: slog.New(slog.NewTextHandler(a.err, nil)), Now: a.now,
	}
	return b, nil
}

// open starts to listen.
func (b *trainingServer) open() (err error) {
	if b.feed == nil {
		return nil
	}
	if b.server, err = b.opts.server.open(b.secure, b.with); err != nil {
		return err
	}
	b.app.narrate("jobs: %s", b.server.at.Listen)
	if b.server.at.HTTP != "" {
		b.app.narrate("page: %s", b.server.at.HTTP)
	}
	go func() {
		defer close(b.ended)
		b.fail(<-b.server.ended)
	}()
	return nil
}

// close stops the server, if there is one, and reports how the training ended with it.
func (b *trainingServer) close(ctx context.Context, out online.Outcome) error {
	if b.feed == nil {
		return nil
	}
	defer b.fail(nil)
	if b.server == nil {
		return nil
	}
	var err error
	switch {
	case out.Reason == online.Ended && out.Windows == 0:
		err = fmt.Errorf("no job of %d workers came within %v; attach one to %s, or allow more with --wait", b.with.Only, b.opts.wait, b.server.at.Listen)
	case out.Reason == online.Ended:
		b.app.narrate("no job came back within %v", b.opts.wait)
	}
	if n := b.feed.Dropped(); n > 0 {
		b.app.narrate("%s came faster than the training took them", plural(int(n), "window"))
	}
	err = errors.Join(err, b.server.stop(ctx))
	<-b.ended
	return err
}

package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/saspart/saspart/policy/checkpoint"
)

// inspectCheckpoint shows a policy.
func (a *app) inspectCheckpoint(opts inspectOptions) error {
	if opts.repair {
		return usagef("--repair is for traces; %s is a checkpoint", opts.file)
	}
	c, err := checkpoint.Open(opts.file)
	if err != nil {
		return err
	}
	return a.print(opts.output, c, checkpointText(opts.file, c))
}

// checkpointText is a summary for people.
func checkpointText(name string, c *checkpoint.Checkpoint) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	line("checkpoint", "%s", name)
	switch {
	case c.Shares != nil:
		line("decides", "the shares of %s, for %s", plural(len(c.Shares.Mask), "heavy key"), plural(c.Shares.Workers, "worker"))
	case c.Capacity.Uncertainty:
		line("decides", "each worker's capacity, for any number of workers, and states its uncertainty")
	default:
		line("decides", "each worker's capacity, for any number of workers")
	}
	line("trained", "%s", orDash(string(c.Trained)))
	line("started from", "%s", orDash(c.Parent))
	line("created by", "%s", c.CreatedBy)
	parameters := 0
	for _, v := range c.Tensors {
		parameters += v.Len()
	}
	line("network", "%s parameters, SHA-256 %s", grouped(int64(parameters)), c.Digest)
	names := make([]string, 0, len(c.Metrics))
	for name := range c.Metrics {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		line(name, "%.4g", c.Metrics[name])
	}
	t.Flush()
	return b.String()
}

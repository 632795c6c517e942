package main

import (
	"log/slog"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/saspart/saspart/engine/flink"
	"github.com/saspart/saspart/experiment"
)

// flinkFlags say where jobs run with --engine flink.
type flinkFlags struct {
	address string
	jar     string
	listen  string
	detach  bool
	set     []string // of these flags, those that were given
}

// add adds the flags.
func (f *flinkFlags) add(cmd *cobra.Command) {
	own := pflag.NewFlagSet("flink", pflag.ContinueOnError)
	own.StringVar(&f.address, "flink", flink.Default().Address, "`address` of the Flink cluster's REST interface (with --engine flink)")
	own.StringVar(&f.jar, "jar", "", "`file` with the jobs for Flink (with --engine flink; default $"+flink.JarVariable+", or the checkout's)")
	own.StringVar(&f.listen, "flink-listen", "", "`address` of this machine that the cluster can reach, host:0, if the cluster is on another machine; the connection is encrypted (with --engine flink)")
	own.VisitAll(func(flag *pflag.Flag) { flag.Value = &noted{flag.Value, flag.Name, &f.set} })
	cmd.Flags().AddFlagSet(own)
}

// addDetach adds the flag of a command that may leave its job running.
func (f *flinkFlags) addDetach(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.detach, "detach", false, "leave the job running on the cluster when the command ends, with its last route and rate (with --engine flink)")
	flag := cmd.Flags().Lookup("detach")
	flag.Value = &noted{flag.Value, flag.Name, &f.set}
	cmd.MarkFlagsMutuallyExclusive("detach", "results")
}

// noted is a flag's value that records that it was set.
type noted struct {
	pflag.Value
	name string
	in   *[]string
}

// Set implements pflag.Value.
func (n *noted) Set(text string) error {
	*n.in = append(*n.in, "--"+n.name)
	return n.Value.Set(text)
}

// open returns the cluster for the jobs of an engine, which must be closed; nil if they
// run in this process.
func (f *flinkFlags) open(a *app, engine string) (*flink.Engine, error) {
	if engine != experiment.Flink {
		if len(f.set) > 0 {
			return nil, usagef("%s only with --engine %s", strings.Join(f.set, ", "), experiment.Flink)
		}
		return nil, nil
	}
	e, err := flink.New(f.config(a))
	return e, asUsage(err)
}

// config is the cluster that the flags and the environment name.
func (f *flinkFlags) config(a *app) flink.Config {
	c := flink.Default()
	c.Address, c.Jar, c.Listen, c.Now = f.address, f.jar, f.listen, a.now
	c.Log = slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelError}))
	for _, v := range a.env {
		if jar, ok := strings.CutPrefix(v, flink.JarVariable+"="); ok && c.Jar == "" {
			c.Jar = jar
		}
	}
	if f.detach {
		c.Detached = func(job string) {
			a.narrate("the job keeps running: see %s/#/job/running/%s, where it can be cancelled", f.address, job)
		}
	}
	if len(a.self) > 0 {
		c.Guard = append(append(c.Guard, a.self...), "flink", guardName, f.address)
	}
	return c
}

// guardName is the command that cancels jobs after this process has died.
const guardName = "guard"

// flinkGuardCommand is called only by this program.
func (a *app) flinkGuardCommand() *cobra.Command {
	return &cobra.Command{
		Use:    guardName + " ADDRESS",
		Short:  "Cancel the jobs named on standard input once it ends",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return flink.RunGuard(a.in, args[0])
		},
	}
}

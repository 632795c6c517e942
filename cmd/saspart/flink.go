package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/saspart/saspart/engine/flink/cluster"
)

// flinkCommand is the group of commands around Apache Flink.
func (a *app) flinkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "flink",
		Short: "Start, stop and inspect an Apache Flink cluster on this machine",
		Long: `Runs a standalone cluster of unmodified Apache Flink on this machine, for users without
one: a JobManager and TaskManagers, each in its own process, which listen on loopback
only. Maven downloads Flink the first time. Jobs run there with --engine flink.

Logs, checkpoints and the list of processes are in the folder --dir, by default
saspart/flink in the user's cache. Flink itself is always there.`,
		Example: `  saspart flink up
  saspart collect --config wordcount-zipf --engine flink --partitioner hash
  saspart flink down`,
	}
	config := cluster.Default()
	cmd.PersistentFlags().StringVar(&config.Dir, "dir", config.Dir, "`folder` of the cluster's files")
	group(cmd)
	cmd.AddCommand(a.flinkUpCommand(&config), a.flinkDownCommand(&config), a.flinkStatusCommand(&config), a.flinkGuardCommand())
	return cmd
}

func (a *app) flinkUpCommand(config *cluster.Config) *cobra.Command {
	cmd := a.clusterCommand(config, (*cluster.Cluster).Up, &cobra.Command{
		Use:   "up",
		Short: "Start the cluster, or its missing processes",
		Long: `Starts the cluster and waits until it is ready. A running cluster is left as it is, but
processes that have died are restarted. To change the number of processes, stop it
first.`,
		Example: `  saspart flink up
  saspart flink up --port 0 --slots 64 -o json`,
	})
	f := cmd.Flags()
	f.IntVar(&config.Port, "port", config.Port, "`port` of the REST interface and the web page; 0: any free port")
	f.IntVar(&config.TaskManagers, "taskmanagers", config.TaskManagers, "TaskManagers, `n` processes")
	f.IntVar(&config.TaskSlots, "slots", config.TaskSlots, "`slots` for tasks of each TaskManager; together at least as many as a job has workers")
	f.IntVar(&config.Heap, "heap", config.Heap, "`MiB` of heap for the work of each TaskManager")
	f.DurationVar(&config.Patience, "wait", config.Patience, "how long to wait for the cluster, not counting the download of Flink")
	return cmd
}

// clusterCommand completes a command that does something with the cluster and shows its
// status.
func (a *app) clusterCommand(config *cluster.Config, do func(*cluster.Cluster, context.Context) (cluster.Status, error), cmd *cobra.Command) *cobra.Command {
	var output string
	outputFlag(cmd, &output, "text", "json")
	cmd.Args = noArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := a.cluster(config)
		if err != nil {
			return err
		}
		s, err := do(c, cmd.Context())
		if err != nil {
			return err
		}
		return a.printCluster(s, output)
	}
	return cmd
}

func (a *app) flinkDownCommand(config *cluster.Config) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Stop the cluster, with the jobs that run there",
		Long:  `Stops the processes that saspart flink up has started, and no others.`,
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := a.cluster(config)
			if err != nil {
				return err
			}
			ended, err := c.Down()
			if err == nil && ended == 0 {
				a.narrate("no cluster runs from %s", config.Dir)
			}
			return err
		},
	}
}

func (a *app) flinkStatusCommand(config *cluster.Config) *cobra.Command {
	return a.clusterCommand(config, (*cluster.Cluster).Status, &cobra.Command{
		Use:   "status",
		Short: "Show whether the cluster is running, and its processes",
	})
}

// cluster is the cluster that flags describe.
func (a *app) cluster(config *cluster.Config) (*cluster.Cluster, error) {
	if err := config.Validate(); err != nil {
		return nil, usagef("%w", err)
	}
	return cluster.New(*config, a.err)
}

func (a *app) printCluster(s cluster.Status, output string) error {
	if s.Address == "" {
		return a.print(output, s, "no cluster runs; start one with saspart flink up\n")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  Flink %s", s.Address, s.Version)
	if !s.Running {
		b.WriteString("  INCOMPLETE: saspart flink up starts the missing processes")
	}
	fmt.Fprintf(&b, "\n%d of %d task slots free, %s\n", s.Free, s.TaskSlots, plural(s.Jobs, "job"))
	fmt.Fprintf(&b, "JobManager %d, TaskManagers %s (%d of %d registered)\n", s.JobManager, strings.Trim(fmt.Sprint(s.TaskManagers), "[]"), s.Registered, s.Wanted)
	fmt.Fprintf(&b, "logs in %s\n", s.Logs)
	return a.print(output, s, b.String())
}

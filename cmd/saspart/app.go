package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// app is what the commands have of the world: their streams, the environment and
// the clock. Data goes to out, narration and errors to err.
type app struct {
	in          io.Reader
	out, err    io.Writer
	env         []string         // as os.Environ
	now         func() time.Time // of progress and measurements; results never depend on it
	terminal    bool             // out is one
	errTerminal bool             // err is one

	started bool // flags and arguments were accepted and a command runs
}

// execute runs the command line and returns the exit code.
func (a *app) execute(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(append([]string{}, args...)) // never nil, which would mean those of the process
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !a.started {
		err = asUsage(err)
	}
	a.report(cmd, err)
	return exitCode(err)
}

// root builds the tree of commands.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "saspart",
		Short: "Learn how to partition skewed keyed streams",
		Long: `saspart learns how to split the heavy keys of a keyed stream over its workers,
and measures what that buys against every other partitioner.

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 interrupted,
4 a required threshold was not met.`,
		Version:       buildVersion().String(),
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRun: func(*cobra.Command, []string) {
			a.started = true
		},
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(a.calibrateCommand(), a.configCommand(), a.versionCommand())
	group(root)
	return root
}

// narrate tells the user what is going on.
func (a *app) narrate(format string, args ...any) { fmt.Fprintf(a.err, format+"\n", args...) }

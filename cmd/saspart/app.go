package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/saspart/saspart/cmd/saspart/internal/progress"
)

// app is what the commands have of the world: their streams, the environment and
// the clock. Data goes to out, narration and errors to err.
type app struct {
	in          io.Reader
	out, err    io.Writer
	env         []string         // as os.Environ
	now         func() time.Time // of progress and measurements; results never depend on it
	terminal    bool             // out is one
	width       int              // of the terminal that out is, in columns; 0 unknown or none
	errTerminal bool             // err is one

	self []string // how to call this program; none: it does not call itself

	args    []string // the command line, for the record
	started bool     // flags and arguments were accepted and a command runs
}

// execute runs the command line and returns the exit code.
func (a *app) execute(ctx context.Context, args []string) int {
	a.args = append([]string{"saspart"}, args...)
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
		Long: `saspart learns to split the heavy keys of a keyed stream over its workers, by
reinforcement learning, and compares the policy with other partitioners.

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 interrupted,
4 a required threshold was not met.`,
		Version:       buildVersion().String(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(a.calibrateCommand(), a.collectCommand(), a.configCommand(), a.diagnoseCommand(), a.doctorCommand(), a.flinkCommand(), a.inspectCommand(), a.lawsCommand(), a.matrixCommand(), a.reportCommand(), a.runCommand(), a.serveCommand(), a.stressCommand(), a.throughputCommand(), a.trainOfflineCommand(), a.trainOnlineCommand(), a.versionCommand())
	group(root)
	a.trackStart(root)
	return root
}

// trackStart makes every command below cmd tell when it starts. Errors before that,
// wherever cobra finds them, are about the command line.
func (a *app) trackStart(cmd *cobra.Command) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			a.started = true
			return run(cmd, args)
		}
	}
	for _, c := range cmd.Commands() {
		a.trackStart(c)
	}
}

// narrate tells the user what is going on.
func (a *app) narrate(format string, args ...any) { fmt.Fprintf(a.err, format+"\n", args...) }

// progress shows how far a step of total units is; 0 units: it is not known how many.
func (a *app) progress(label, units string, total int64) *progress.Meter {
	return progress.Start(a.err, a.now, progress.Config{Label: label, Unit: units, Total: total, Terminal: a.errTerminal})
}

// print prints a result: v if the output is JSON, otherwise text.
func (a *app) print(output string, v any, text string) error {
	if output == "json" {
		return writeJSON(a.out, v)
	}
	_, err := io.WriteString(a.out, text)
	return err
}

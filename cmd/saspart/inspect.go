package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/guptarohit/asciigraph"
	"github.com/spf13/cobra"

	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/eval/study"
	"github.com/saspart/saspart/policy/checkpoint"
)

type inspectOptions struct {
	file   string
	repair bool
	output string
}

func (a *app) inspectCommand() *cobra.Command {
	var opts inspectOptions
	cmd := &cobra.Command{
		Use:   "inspect FILE...",
		Short: "Show a trace, or a checkpoint and how it was trained",
		Long: `Reads a trace and shows its contents. A trace whose run was killed is read up to its
last complete window; --repair closes it, so that other programs can read it too.
The format is documented in dataset/FORMAT.md.

Given the folder of a checkpoint or of a training run, or builtin, it shows the policy:
what it decides, how it was trained and from what, and how good it was.

Of several files each is shown, also after one that cannot be read; JSON is one object per file.`,
		Example: `  saspart inspect traces/wordcount-zipf-dalton-offline-1.arrow
  saspart inspect traces/*.arrow
  saspart inspect -o json traces/drift-pkg-7.arrow | jq .imbalance.mean
  saspart inspect builtin`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("%s takes a trace or a checkpoint, or several", cmd.CommandPath())
			}
			return nil
		},
		ValidArgsFunction: cobra.FixedCompletions([]string{strings.TrimPrefix(dataset.Ext, ".")}, cobra.ShellCompDirectiveFilterFileExt),
	}
	cmd.Flags().BoolVar(&opts.repair, "repair", false, "first close the trace if its run was killed")
	outputFlag(cmd, &opts.output, "text", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var errs []error
		for i, file := range args {
			if i > 0 && opts.output == "text" {
				fmt.Fprintln(a.out)
			}
			opts.file = file
			err := a.inspectOne(cmd.Context(), opts)
			errs = append(errs, err)
			if errors.Is(err, context.Canceled) {
				break
			}
		}
		return errors.Join(errs...)
	}
	return cmd
}

// inspectOne shows a trace or a checkpoint.
func (a *app) inspectOne(ctx context.Context, opts inspectOptions) error {
	if info, err := os.Stat(opts.file); err == nil && info.IsDir() || errors.Is(err, fs.ErrNotExist) && opts.file == checkpoint.BuiltinName {
		return a.inspectCheckpoint(opts)
	}
	return a.runInspect(ctx, opts)
}

func (a *app) runInspect(ctx context.Context, opts inspectOptions) (err error) {
	if opts.repair {
		n, err := dataset.Repair(opts.file)
		if err != nil {
			return err
		}
		a.narrate("%s is closed and holds %d windows", opts.file, n)
	}
	r, err := dataset.Open(opts.file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	s, readErr := dataset.Summarise(ctx, r)
	if errors.Is(readErr, context.Canceled) {
		return readErr
	}
	// Show what could be read, even if a later part is corrupt.
	return errors.Join(readErr, a.print(opts.output, s, traceText(opts.file, &s)))
}

// traceText is a summary for people.
func traceText(file string, s *dataset.Summary) string {
	var b strings.Builder
	state := ""
	if !s.Complete {
		state = " (never closed: its run was killed or is still running)"
	}
	if !s.Checked {
		state += " (unchecked: its format version has no checksums)"
	}
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	line("trace", "%s%s", file, state)
	line("run", "%s on %s, %d workers, seed %d", orDash(s.Partitioner), orDash(s.Engine), s.Workers, s.Seed)
	line("windows", "%s in %s, %v of the job's time", grouped(int64(s.Windows)), plural(s.Episodes, "episode"), s.Duration.Round(time.Millisecond))
	line("records", "%s; %s/s due, %s/s sent, %.1f %% of the time blocked", grouped(s.Records),
		grouped(int64(s.OfferedRate)), grouped(int64(s.ActualRate)), 100*s.Backpressured)
	line("busy", "%.2f to %.2f, mean %.2f", s.Busy.Min, s.Busy.Max, s.Busy.Mean)
	line("latency", "p99 of a window: median %v, highest %v", s.LatencyP99.Round(10*time.Microsecond), s.HighestP99.Round(10*time.Microsecond))
	line("fan-out", "%.3f workers per key, %s", s.FanOut, plural(s.Routes, "route"))
	line("imbalance", "mean %.3f, last %.3f", s.Imbalance.Mean, s.Imbalance.Last)
	t.Flush()
	if len(s.Partitioners) > 1 {
		fmt.Fprintf(t, "\npartitioner\twindows\timbalance\n")
		for _, p := range s.Partitioners {
			fmt.Fprintf(t, "%s\t%d\t%.3f\n", p.Name, p.Windows, p.Imbalance)
		}
		t.Flush()
	}
	if s.Windows > 1 {
		fmt.Fprintf(&b, "\n%s\n", plot(s.Imbalance.Series))
	}
	if len(s.Hot) > 0 {
		fmt.Fprintf(t, "\nhot key\tshare\tnamed in\n")
		for _, k := range s.Hot {
			fmt.Fprintf(t, "%s\t%.2f %%\t%s\n", printable(k.Name), 100*k.Share, plural(k.Windows, "window"))
		}
		t.Flush()
	}
	return b.String()
}

// Size of the plot: it fits a terminal of 80 columns.
const (
	plotWidth  = 66
	plotHeight = 8
)

// plot draws imbalance over the windows. A column is the mean of its windows, so
// that no spike decides by chance whether it shows.
func plot(series []float64) string {
	columns := min(len(series), plotWidth)
	means := make([]float64, columns)
	for c := range means {
		from, to := c*len(series)/columns, (c+1)*len(series)/columns
		for _, v := range series[from:to] {
			means[c] += v / float64(to-from)
		}
	}
	return asciigraph.Plot(means, asciigraph.Height(plotHeight), asciigraph.LowerBound(0), asciigraph.Precision(2),
		asciigraph.Caption(fmt.Sprintf("imbalance over windows 0 to %d", len(series)-1)))
}

// printable is a key as people can read it: short and without control characters.
func printable(key string) string {
	const longest = 40
	clear := utf8.ValidString(key) && key != ""
	for _, r := range key {
		clear = clear && strconv.IsPrint(r)
	}
	if !clear {
		key = strconv.Quote(key)
	}
	if runes := []rune(key); len(runes) > longest {
		return string(runes[:longest-3]) + "..."
	}
	return key
}

// grouped writes 1234567 as 1,234,567.
func grouped(n int64) string { return study.Grouped(float64(n)) }

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return grouped(int64(n)) + " " + what + "s"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

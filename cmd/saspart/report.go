package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/saspart/saspart/eval"
	"github.com/saspart/saspart/eval/study"
	"github.com/saspart/saspart/runlog"
)

type reportOptions struct {
	dir      string
	training string
	output   string
}

// reported is the result as programs read it.
type reported struct {
	HTML     string `json:"html"`
	Markdown string `json:"markdown,omitempty"`
}

func (a *app) reportCommand() *cobra.Command {
	var opts reportOptions
	cmd := &cobra.Command{
		Use:   "report DIR",
		Short: "Write the report page of a study or a training run",
		Long: `Writes report.html and report.md in the folder of a study that throughput, stress or
matrix kept with --out. The report says whether the learned policy is worth it, who
wins each cell, how far from the bounds and at what price, and how jobs recovered from
shifts. It has the command that repeats the study. The page is a single file, readable
on a phone and in print. It can be written at any time, also while a study is running.

In the folder of a training run it replaces report.html.`,
		Example: `  saspart report runs/smoke
  saspart report runs/smoke --training runs/first`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("name one folder, of a study or of a training run; got %d", len(args))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&opts.training, "training", "", "add the learning curves of the training run in this `folder`")
	outputFlag(cmd, &opts.output, "text", "json")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		opts.dir = args[0]
		return a.runReport(opts)
	}
	return cmd
}

func (a *app) runReport(opts reportOptions) error {
	var out reported
	var err error
	switch kind, statErr := folderKind(opts.dir); {
	case statErr != nil:
		return statErr
	case kind == runlog.InfoFile && opts.training != "":
		return usagef("%s is a training run itself; --training adds one to a study", opts.dir)
	case kind == runlog.InfoFile:
		out.HTML, err = eval.WriteTrainingReport(opts.dir)
	default:
		out.HTML, out.Markdown, err = eval.WriteStudyReport(opts.dir, opts.training)
	}
	if err != nil {
		return err
	}
	text := out.HTML + "\n"
	if out.Markdown != "" {
		text += out.Markdown + "\n"
	}
	return a.print(opts.output, out, text)
}

// folderKind is which file says what a folder holds.
func folderKind(dir string) (string, error) {
	for _, name := range []string{study.InfoFile, runlog.InfoFile} {
		_, err := os.Stat(filepath.Join(dir, name))
		if err == nil {
			return name, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("report on %s: %w", dir, err)
		}
	}
	return "", fmt.Errorf("report on %s: it holds no study and no training run: there is neither %s nor %s in it", dir, study.InfoFile, runlog.InfoFile)
}

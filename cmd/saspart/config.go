package main

import "github.com/spf13/cobra"

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show, check and list experiments",
		Long: `An experiment is a YAML file that says what a job is fed, how it is built and what
is tried on it. Four layers make it, each over the one before:

  1. the defaults
  2. the file, or the ready experiment of that name (--config)
  3. environment variables: SASPART_JOB_WORKERS sets job.workers; with two
     underscores between the levels, SASPART_JOB__WORK_RATIO, no name is ambiguous
  4. flags: --set job.workers=16, and the commands' own

A value that is unknown, misspelt, of the wrong type or impossible is an error that
names the file and line (or the variable or flag) and what would be right.`,
	}
	cmd.AddCommand(a.configListCommand(), a.configShowCommand(), a.configValidateCommand())
	group(cmd)
	return cmd
}

package main

import "github.com/spf13/cobra"

type configShowOptions struct {
	experiment experimentFlags
	output     string
}

func (a *app) configShowCommand() *cobra.Command {
	var opts configShowOptions
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print an experiment with all its values and their origins",
		Long: `Prints the experiment as a run would see it: every value, and whether it is a
default or comes from the file, an environment variable or a flag. The output is
itself a configuration file.`,
		Example: `  saspart config show > my.yaml
  saspart config show --config wordcount-zipf --set job.workers=16
  SASPART_SEED=7 saspart config show --config drift -o json`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return a.runConfigShow(opts) },
	}
	opts.experiment.add(cmd)
	outputFlag(cmd, &opts.output, "yaml", "json")
	return cmd
}

func (a *app) runConfigShow(opts configShowOptions) error {
	e, origins, err := opts.experiment.load(a)
	if err != nil {
		return err
	}
	if opts.output == "json" {
		values, err := origins.Values(e)
		if err != nil {
			return err
		}
		return writeJSON(a.out, values)
	}
	text, err := origins.Annotate(e)
	if err != nil {
		return err
	}
	_, err = a.out.Write(text)
	return err
}

package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/configs"
)

type configListOptions struct{ output string }

// readyExperiment is a row of the list.
type readyExperiment struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

func (a *app) configListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the experiments that are ready to run",
		Args:  noArgs,
	}
	output := outputFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.runConfigList(cmd.Context(), configListOptions{output: output.value})
	}
	return cmd
}

func (a *app) runConfigList(_ context.Context, opts configListOptions) error {
	var rows []readyExperiment
	for _, name := range configs.Names() {
		e, err := config.Ready(name)
		if err != nil {
			return err
		}
		rows = append(rows, readyExperiment{Name: name, Description: e.Description})
	}
	if opts.output == "json" {
		return writeJSON(a.out, rows)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\n", r.Name, r.Description)
	}
	return w.Flush()
}

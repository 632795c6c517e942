package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/configs"
)

// readyExperiment is a row of the list.
type readyExperiment struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

func (a *app) configListCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the experiments that are ready to run",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return a.runConfigList(output) },
	}
	outputFlag(cmd, &output, "table", "json")
	return cmd
}

func (a *app) runConfigList(output string) error {
	var rows []readyExperiment
	for _, name := range configs.Names() {
		e, err := config.Ready(name)
		if err != nil {
			return err
		}
		rows = append(rows, readyExperiment{Name: name, Description: e.Description})
	}
	if output == "json" {
		return writeJSON(a.out, rows)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\n", r.Name, r.Description)
	}
	return w.Flush()
}

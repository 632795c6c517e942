package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/configs"
	"github.com/saspart/saspart/eval/study"
)

// ready is a row of the list.
type ready struct {
	Name        string `json:"name"`
	Use         string `json:"use"` // the flag that takes it
	Description string `json:"description"`
}

func (a *app) configListCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the experiments, matrices, trainings and scenarios that are ready to use",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return a.runConfigList(output) },
	}
	outputFlag(cmd, &output, "table", "json")
	return cmd
}

func (a *app) runConfigList(output string) error {
	var rows []ready
	for _, name := range configs.Names() {
		e, err := config.Ready(name)
		if err != nil {
			return err
		}
		rows = append(rows, ready{name, "--config", e.Description})
	}
	for _, name := range configs.MatrixNames() {
		m, err := study.LoadMatrix(name, nil)
		if err != nil {
			return err
		}
		rows = append(rows, ready{name, "matrix --file", m.Description})
	}
	for _, kind := range []struct {
		use   string
		names []string
		read  func(string) ([]byte, bool)
	}{
		{"train-offline --train-config", configs.TrainNames(), configs.ReadTrain},
		{"train-offline --action capacity --train-config", configs.CapacityNames(), configs.ReadTrain},
		{"train-online --train-config", configs.OnlineNames(), configs.ReadTrain},
		{"--scenarios", configs.ScenarioNames(), configs.ReadScenarios},
	} {
		for _, name := range kind.names {
			text, _ := kind.read(name)
			rows = append(rows, ready{name, kind.use, firstSentence(text)})
		}
	}
	if output == "json" {
		return writeJSON(a.out, rows)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	use := ""
	for _, r := range rows {
		if r.Use != use {
			if use != "" {
				fmt.Fprintln(w)
			}
			use = r.Use
			fmt.Fprintf(w, "%s\n", use)
		}
		fmt.Fprintf(w, "  %s\t%s\n", r.Name, r.Description)
	}
	return w.Flush()
}

// firstSentence is that of the comment at the beginning of a file, up to a remark in parentheses.
func firstSentence(text []byte) string {
	var words []string
	for line := range strings.Lines(string(text)) {
		comment, ok := strings.CutPrefix(line, "#")
		if !ok || strings.TrimSpace(comment) == "" {
			break
		}
		words = append(words, strings.Fields(comment)...)
	}
	sentence, _, _ := strings.Cut(strings.Join(words, " ")+" ", ". ")
	sentence, _, _ = strings.Cut(sentence, " (")
	return strings.TrimSpace(sentence)
}

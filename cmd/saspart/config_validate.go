package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/saspart/saspart/config"
)

func (a *app) configValidateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "validate FILE...",
		Short: "Check experiment files and report all errors",
		Long: `Checks each file without environment variables and flags, and reports all errors.
The exit code is 2 if a file is not valid.`,
		Example: "  saspart config validate configs/*.yaml",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("name at least one file to check")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, files []string) error { return a.runConfigValidate(files) },
	}
}

func (a *app) runConfigValidate(files []string) error {
	bad := 0
	for _, file := range files {
		if _, _, err := config.Load(file, nil, nil); err != nil {
			a.narrate("%v", err)
			bad++
			continue
		}
		fmt.Fprintf(a.out, "%s: valid\n", file)
	}
	if bad > 0 {
		return usagef("%d of %d files not valid", bad, len(files))
	}
	return nil
}

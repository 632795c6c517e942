package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// release is the version of a released binary. The linker sets it (.goreleaser.yaml).
var release string

// version says which binary this is.
type version struct {
	Module   string `json:"version"`            // of the release or the module; (devel) when built from a checkout without a tag
	Revision string `json:"revision,omitempty"` // commit, when built from a checkout
	Modified bool   `json:"modified"`           // the checkout had changes that are not in that commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Torch    bool   `json:"torch"` // built with libtorch, so that it can train
}

// buildVersion reads what the linker recorded.
func buildVersion() version {
	v := version{Module: "(unknown)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Module = cmp.Or(release, info.Main.Version)
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		case "-tags":
			v.Torch = slices.Contains(strings.Split(s.Value, ","), "torch")
		}
	}
	return v
}

// String is the version on one line.
func (v version) String() string {
	s := "saspart " + v.Module
	if v.Revision != "" {
		s += " " + v.Revision[:min(12, len(v.Revision))]
	}
	if v.Modified {
		s += " (modified)"
	}
	torch := "without libtorch"
	if v.Torch {
		torch = "with libtorch"
	}
	return fmt.Sprintf("%s, %s %s, %s", s, v.Go, v.Platform, torch)
}

func (a *app) versionCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version and how it was built",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			v := buildVersion()
			return a.print(output, v, v.String()+"\n")
		},
	}
	outputFlag(cmd, &output, "text", "json")
	return cmd
}

// writeJSON prints v for programs, indented so that people can read it too.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	return nil
}

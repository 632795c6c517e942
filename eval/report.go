// Package eval writes report pages: of trainings, and of studies that compare partitioners.
package eval

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/saspart/saspart/internal/files"
	"github.com/saspart/saspart/runlog"
)

// Report is a page for people: facts, plots and tables. Write makes one HTML file of
// it that needs nothing else, is readable on a phone and can be printed.
type Report struct {
	Title    string
	Subtitle string
	Facts    []Fact // what it is about, in a few lines
	Sections []Section
}

// Fact is a named value.
type Fact struct{ Name, Value string }

// Section is a part of a report. What is empty is left out.
type Section struct {
	Heading string
	Text    string   // a paragraph
	Points  []string // a list
	Charts  []Chart
	Figures []Figure
	Table   *Table
	Code    string // commands or a configuration, as they are
	Folded  bool   // Code shows when the reader asks for it, and the section not in print
}

// Figure is a picture drawn elsewhere, with its title and what it shows.
type Figure struct {
	Title, Help string
	SVG         template.HTML
}

// Table is a table; Rows have a cell per head. All columns but the first are numbers,
// as far as their alignment goes.
type Table struct {
	Head []string
	Rows [][]string
}

//go:embed report.tmpl
var page string

// Write renders the report. Equal reports give equal bytes.
func (r *Report) Write(w io.Writer) error {
	t, err := template.New("report").Funcs(template.FuncMap{"svg": svg, "legend": legend}).Parse(page)
	if err == nil {
		err = t.Execute(w, r)
	}
	if err != nil {
		return fmt.Errorf("write report %q: %w", r.Title, err)
	}
	return nil
}

// writeFile replaces a file with what write writes.
func writeFile(path string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	if err := files.Replace(path, b.Bytes()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// machine describes a host, whose name, if any, goes first.
func machine(name string, h runlog.Host) string {
	parts := []string{name, h.CPU, fmt.Sprintf("%d CPUs", h.CPUs), fmt.Sprintf("%.1f GB", float64(h.MemoryMB)/1024), h.Platform, h.Go}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" || p == "0 CPUs" || p == "0.0 GB" }), ", ")
}

// quoted writes words as a shell reads them.
func quoted(words ...string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,@%+"
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = w
		if w == "" || strings.Trim(w, plain) != "" {
			out[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(out, " ")
}

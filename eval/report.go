// Package eval writes report pages: of trainings, and of studies that compare partitioners.
package eval

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
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

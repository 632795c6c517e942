package eval

import (
	"fmt"
	"io"
	"strings"
)

// WriteMarkdown renders the text, tables and commands of a report, for a pull request.
// Plots and folded sections are left out.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", inline(r.Title))
	if r.Subtitle != "" {
		fmt.Fprintf(&b, "%s\n\n", inline(r.Subtitle))
	}
	for _, f := range r.Facts {
		fmt.Fprintf(&b, "- %s: %s\n", inline(f.Name), inline(f.Value))
	}
	for _, s := range r.Sections {
		if s.Folded || s.Text == "" && s.Table == nil && s.Code == "" && len(s.Points) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n", inline(s.Heading))
		if s.Text != "" {
			fmt.Fprintf(&b, "\n%s\n", inline(s.Text))
		}
		for _, p := range s.Points {
			fmt.Fprintf(&b, "\n- %s\n", inline(p))
		}
		if s.Table != nil {
			s.Table.markdown(&b)
		}
		if s.Code != "" {
			fmt.Fprintf(&b, "\n```\n%s\n```\n", strings.ReplaceAll(s.Code, "```", "` ` `"))
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write report %q: %w", r.Title, err)
	}
	return nil
}

func (t *Table) markdown(b *strings.Builder) {
	b.WriteByte('\n')
	line := func(cells []string) {
		for _, c := range cells {
			fmt.Fprintf(b, "| %s ", inline(c))
		}
		b.WriteString("|\n")
	}
	line(t.Head)
	for i := range t.Head {
		if i == 0 {
			b.WriteString("| --- ")
		} else {
			b.WriteString("| ---: ")
		}
	}
	b.WriteString("|\n")
	for _, row := range t.Rows {
		line(row)
	}
}

// inline keeps text from being read as Markdown.
func inline(s string) string {
	return strings.NewReplacer("\n", " ", "\r", " ", "|", `\|`, "*", `\*`, "_", `\_`, "<", "&lt;", "`", "'", "[", `\[`, "#", `\#`).Replace(s)
}

// Package docs tests the documents: citations resolve, and tables follow the code.
package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// TestCitations resolves every citation in the repository: the document must exist and
// have the section. CONTRIBUTING.md, "Citations" says what a citation looks like.
func TestCitations(t *testing.T) {
	tree := os.DirFS("..")
	cited := 0
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if skipped(name) {
				return fs.SkipDir
			}
			return nil
		case !checked(name):
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		for _, c := range citations(name, string(text)) {
			cited++
			if err := resolve(tree, name, c); err != nil {
				t.Errorf("%s:%d: %v", name, c.line, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if cited < 50 {
		t.Errorf("%d citations were found; the walk or the patterns have lost some", cited)
	}
}

// skipped are folders whose files are built, fetched or measured.
func skipped(dir string) bool {
	base := path.Base(dir)
	return dir != "." && strings.HasPrefix(base, ".") && base != ".ci" ||
		slices.Contains([]string{"bin", "runs", "traces", "target", "testdata"}, base)
}

// checked are the files that may cite.
func checked(name string) bool {
	if strings.HasSuffix(name, ".pb.go") || name == "docs/citations_test.go" {
		return false
	}
	return slices.Contains([]string{".go", ".java", ".proto", ".yaml", ".sh", ".md", ".txt"}, path.Ext(name)) || path.Base(name) == "Makefile"
}

// citation is what a text says of a document.
type citation struct {
	line    int
	doc     string // as written
	section string // a section's title, or an anchor that begins with #; "" for the whole document
	err     error  // it is not written as a citation should be
}

var (
	// A comment's marks at the beginnings of its lines, which a citation may cross.
	marks = regexp.MustCompile(`\n[ \t]*(//|\*|#)?[ \t]*`)
	// A document's name, and what may be the name of one of its sections.
	named = regexp.MustCompile(`([A-Za-z0-9_.-]+/)*[A-Za-z0-9_-]+\.md\b(?:, ?"([^"]*)"|, ?([A-Z][a-z]+ [a-z]+))?`)
	// A Markdown link to a file of the repository.
	linked = regexp.MustCompile(`\]\(([^)\s:]*?)(#[^)\s]*)?\)`)
	// What names files in Markdown without citing them: links, which are read on their own, and code.
	aside = regexp.MustCompile("\\[[^\\]]*\\]\\([^)]*\\)|`[^`]*`|(?m)^(    |```).*$")
)

// written are Markdown files that commands write.
func written(doc string) bool {
	return slices.Contains([]string{"report.md", "table.md", "results.md.new"}, path.Base(doc))
}

// citations lists what a file cites. Markdown cites by links and, like all others, by
// names.
func citations(name, text string) []citation {
	var all []citation
	at := func(offset int) int { return 1 + strings.Count(text[:offset], "\n") }
	if path.Ext(name) == ".md" {
		for _, m := range linked.FindAllStringSubmatchIndex(text, -1) {
			c := citation{line: at(m[0]), doc: text[m[2]:m[3]]}
			if m[4] >= 0 {
				c.section = text[m[4]:m[5]]
			}
			all = append(all, c)
		}
		text = aside.ReplaceAllStringFunc(text, blank)
	}
	// Lines of one comment become one, with a byte for each so that offsets stay.
	flat := marks.ReplaceAllStringFunc(text, func(s string) string { return strings.Repeat("\x00", len(s)-1) + " " })
	squeeze := strings.NewReplacer("\x00", "")
	for _, m := range findNames(flat) {
		c := citation{line: at(m.offset), doc: m.doc, section: squeeze.Replace(m.section)}
		if m.bare != "" {
			c.err = fmt.Errorf("%s, %s...: put the section's title in quotes", m.doc, squeeze.Replace(m.bare))
		}
		all = append(all, c)
	}
	return all
}

// blank is as long as s, and has its line ends.
func blank(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' {
			return ' '
		}
		return r
	}, s)
}

// found is a document's name in a text.
type found struct {
	offset             int
	doc, section, bare string
}

func findNames(flat string) []found {
	// The filler between lines must not keep the pattern from matching across them.
	var kept strings.Builder
	offsets := make([]int, 0, len(flat))
	for i := range len(flat) {
		if flat[i] != 0 {
			kept.WriteByte(flat[i])
			offsets = append(offsets, i)
		}
	}
	text := kept.String()
	var all []found
	for _, m := range named.FindAllStringSubmatchIndex(text, -1) {
		if begin := m[0]; begin > 0 && (text[begin-1] == '/' || text[begin-1] == '*' || text[begin-1] == '%' || text[begin-1] == '.') {
			continue // part of an address or a pattern
		}
		f := found{offset: offsets[m[0]]}
		whole := text[m[0]:m[1]]
		f.doc = whole[:strings.Index(whole, ".md")+len(".md")]
		if written(f.doc) {
			continue
		}
		if m[4] >= 0 {
			f.section = text[m[4]:m[5]]
		}
		if m[6] >= 0 {
			f.bare = text[m[6]:m[7]]
		}
		all = append(all, f)
	}
	return all
}

// resolve reports why a citation leads nowhere.
func resolve(tree fs.FS, from string, c citation) error {
	if c.err != nil {
		return c.err
	}
	doc := from // a link within a document
	if c.doc != "" {
		doc = ""
		for _, dir := range []string{path.Dir(from), "."} {
			if _, err := fs.Stat(tree, path.Join(dir, c.doc)); err == nil {
				doc = path.Join(dir, c.doc)
				break
			}
		}
		if doc == "" {
			return fmt.Errorf("cites %s, which is not in the repository", c.doc)
		}
	}
	if c.section == "" {
		return nil
	}
	if path.Ext(doc) != ".md" {
		return fmt.Errorf("cites %s of %s, which is no document", c.section, doc)
	}
	text, err := fs.ReadFile(tree, doc)
	if err != nil {
		return err
	}
	titles, anchors := sections(string(text))
	if anchor, ok := strings.CutPrefix(c.section, "#"); ok {
		if !slices.Contains(anchors, anchor) {
			return fmt.Errorf("%s has no section #%s; it has %v", doc, anchor, anchors)
		}
		return nil
	}
	if !slices.Contains(titles, strings.Join(strings.Fields(c.section), " ")) {
		return fmt.Errorf("%s has no section %q; it has %q", doc, c.section, titles)
	}
	return nil
}

// sections are the titles of a document's sections and, in the same order, their anchors.
func sections(text string) (titles, anchors []string) {
	fenced := false
	times := map[string]int{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if fenced || !ok || line[0] != '#' {
			continue
		}
		title = strings.TrimSpace(strings.ReplaceAll(title, "`", ""))
		anchor := anchorOf(title)
		if n := times[anchor]; n > 0 {
			times[anchor]++
			anchor = fmt.Sprintf("%s-%d", anchor, n)
		} else {
			times[anchor] = 1
		}
		titles, anchors = append(titles, title), append(anchors, anchor)
	}
	return titles, anchors
}

// anchorOf is the anchor that GitHub gives to a title: in lower case, without
// punctuation, with hyphens for spaces.
func anchorOf(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		default:
			return -1
		}
	}, title)
}

// TestCitationForms shows the forms of citations.
func TestCitationForms(t *testing.T) {
	for _, test := range []struct {
		why, file, text string
		want            []string
	}{
		{"a whole document", "a/x.go", "// serve/PROTOCOL.md says more.", []string{"serve/PROTOCOL.md|"}},
		{"a section", "a/x.go", `// docs/design.md, "The loop".`, []string{"docs/design.md|The loop"}},
		{"across lines", "a/x.go", "// docs/design.md,\n\t// \"The\n// loop\".", []string{"docs/design.md|The loop"}},
		{"in a Java comment", "a/X.java", "/**\n * docs/design.md, \"The\n * loop\".\n */", []string{"docs/design.md|The loop"}},
		{"a section without quotes is an error", "a/x.go", "// docs/design.md, The loop", []string{"docs/design.md|!"}},
		{"a longer sentence is no section", "a/x.go", "// docs/design.md, which says more", []string{"docs/design.md|"}},
		{"a link with an anchor", "a/x.md", "[a](../docs/design.md#the-loop)", []string{"../docs/design.md|#the-loop"}},
		{"a link within the document", "a/x.md", "[a](#the-loop)", []string{"|#the-loop"}},
		{"a link's text is no citation, nor is code", "a/x.md", "[x.md](y.md), `z.md`", []string{"y.md|"}},
		{"a link elsewhere", "a/x.md", "[a](https://example.org/x.md)", nil},
		{"a file that is written", "a/x.go", `"/tmp/x.md"`, nil},
	} {
		var got []string
		for _, c := range citations(test.file, test.text) {
			s := c.doc + "|" + c.section
			if c.err != nil {
				s = c.doc + "|!"
			}
			got = append(got, s)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %s: got %q, want %q", filepath.Base(test.file), test.why, got, test.want)
		}
	}
}

package docs

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the import path of the repository's root.
const module = "github.com/saspart/saspart/"

// TestPackages holds the code to the table of docs/design.md, "Packages": every package has
// a row, and imports only packages of its own row and of those below it.
func TestPackages(t *testing.T) {
	tree := os.DirFS("..")
	text, err := fs.ReadFile(tree, "docs/design.md")
	if err != nil {
		t.Fatal(err)
	}
	row := map[string]int{}
	quoted := regexp.MustCompile("`([^`]+)`")
	_, section, _ := strings.Cut(string(text), "\n## Packages\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for n, line := range strings.Split(section, "\n") {
		if cells := strings.Split(line, "|"); len(cells) > 2 {
			for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
				row[m[1]] = n
			}
		}
	}
	seen := map[string]bool{}
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skipped(name):
			return fs.SkipDir
		case path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		pkg := path.Dir(name)
		own, listed := row[pkg]
		if !seen[pkg] && !listed {
			t.Errorf("docs/design.md has no row for package %s", pkg)
		}
		seen[pkg] = true
		source, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range f.Imports {
			imported, _ := strconv.Unquote(i.Path.Value)
			imported, inside := strings.CutPrefix(imported, module)
			if below, ok := row[imported]; inside && ok && listed && below < own {
				t.Errorf("%s imports %s, which docs/design.md has above %s", name, imported, pkg)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var gone []string
	for pkg := range row {
		if !seen[pkg] {
			gone = append(gone, pkg)
		}
	}
	slices.Sort(gone)
	if len(gone) > 0 {
		t.Errorf("docs/design.md has rows for packages that do not exist: %v", gone)
	}
}

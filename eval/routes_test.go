package eval

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saspart/saspart/runlog"
)

// A run that tells of routes shows them; one that does not has no such section.
func TestReportRoutes(t *testing.T) {
	dir := run(t, 20)
	report := func() string {
		t.Helper()
		path, err := WriteTrainingReport(dir)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if strings.Contains(report(), "<h2>Routes</h2>") {
		t.Error("routes are shown that were never recorded")
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, runlog.RoutesFile), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"before": {"keys": ["the"], "loads": [0.25], "shares": [[0.5, 0.5]]}, "after": {"keys": ["the"], "loads": [0.25], "shares": [[0.75, 0.25]]}}`)
	page := report()
	for _, want := range []string{"<h2>Routes</h2>", "<h3>Before</h3>", "<h3>After</h3>", "the 25.0 %, worker 0: 75 %"} {
		if !strings.Contains(page, want) {
			t.Errorf("the report has no %s", want)
		}
	}
	write(`{"before": 1}`)
	if _, err := WriteTrainingReport(dir); err == nil {
		t.Error("a damaged file is reported on")
	}
}

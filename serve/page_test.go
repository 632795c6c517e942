package serve_test

import (
	"context"
	"fmt"
	"image/png"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/saspart/saspart/serve"
)

// browser is the first headless browser there is.
func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no Chromium is installed, so the live page is not looked at")
	return ""
}

// browse runs the browser on a page, without letting it call home.
func browse(t *testing.T, url string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	args = append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--user-data-dir=" + t.TempDir(), "--window-size=1180,900",
		"--virtual-time-budget=4000",
	}, append(args, url)...)
	cmd := exec.CommandContext(ctx, browser(t), args...)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	return string(out)
}

// A browser draws the live page without violating its security policy, and shows names as
// plain text.
func TestLivePage(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	browser(t)
	s := start(t, "", serve.Default(), serve.Options{})
	j := newToy(64)
	c := j.attach(t, s.address, "clicks <b>by</b> user", nil)
	attached(t, c)
	controller := c.Controller(5 * time.Second)
	for i := range 90 {
		if i >= 20 && i%25 == 0 {
			j.change(i, 1)
		}
		w := j.window()
		w.Hot[1].Name = `<img src=x onerror="document.title='broken'">`
		j.follow(controller.Decide(w, j.route).Route)
	}
	handler, err := s.Handler(nil, true)
	if err != nil {
		t.Fatal(err)
	}
	pages := httptest.NewServer(handler)
	defer pages.Close()

	dom := browse(t, pages.URL, "--dump-dom")
	for _, want := range []string{
		"clicks &lt;b&gt;by&lt;/b&gt; user", "decided by builtin, generation 1", "&lt;img src=x onerror", "64 of 64 workers measured, busiest ",
		"imbalance 0.", "12 hot keys over 64 workers", "<dt>windows</dt><dd>90</dd>", "<td>key-0</td>",
	} {
		if !strings.Contains(dom, want) {
			t.Errorf("no %q in the page", want)
		}
	}
	if strings.Contains(dom, "<title>broken") {
		t.Error("a key's name was run as a script")
	}
	file := filepath.Join(t.TempDir(), "live.png")
	browse(t, pages.URL, "--screenshot="+file, "--hide-scrollbars")
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	colours := map[string]int{}
	for y := 0; y < img.Bounds().Dy(); y += 2 {
		for x := 0; x < img.Bounds().Dx(); x += 2 {
			r, g, b, _ := img.At(x, y).RGBA()
			colours[fmt.Sprint(r>>8, " ", g>>8, " ", b>>8)]++
		}
	}
	if colours["47 111 181"] < 500 || colours["217 222 229"] < 500 { // bars, and the empty cells of the route
		t.Errorf("the charts are hardly drawn: %d and %d points", colours["47 111 181"], colours["217 222 229"])
	}
}

package progress

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// clock is a time that the test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestLines(t *testing.T) {
	var out bytes.Buffer
	c := &clock{now: time.Unix(0, 0)}
	m := Start(&out, c.Now, Config{Label: "collect", Unit: "windows", Total: 128})
	for i := range 12 {
		c.pass(time.Second)
		m.Note("imbalance %.2f", float64(i)/10)
		m.Add(8)
	}
	m.Stop()
	want := `collect: 40/128 windows, 8/s, 11s left, imbalance 0.40
collect: 80/128 windows, 8/s, 6s left, imbalance 0.90
collect: 96/128 windows in 12s (8/s)
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

// What ends sooner says how much is left: the count, or the time.
func TestTimeLeft(t *testing.T) {
	var out bytes.Buffer
	c := &clock{now: time.Unix(0, 0)}
	m := Start(&out, c.Now, Config{Label: "train", Unit: "windows", Total: 40, Most: 15 * time.Second})
	for _, n := range []int64{1, 29, 5} { // 195 s for the other 39; 3.33 s for 10; past its time
		c.pass(Every)
		m.Add(n)
	}
	want := "train: 1/40 windows, 0.2/s, 10s left\ntrain: 30/40 windows, 3/s, 3.33s left\ntrain: 35/40 windows, 2.33/s, 2.14s left\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestUnknownTotal(t *testing.T) {
	var out bytes.Buffer
	c := &clock{now: time.Unix(0, 0)}
	m := Start(&out, c.Now, Config{Label: "run", Unit: "windows"})
	c.pass(Every)
	m.Add(5)
	m.Stop()
	want := "run: 5 windows, 1/s\nrun: 5 windows in 5s (1/s)\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

// A step that ends before its first tick has no rate to divide by.
func TestNothingDone(t *testing.T) {
	var out bytes.Buffer
	c := &clock{now: time.Unix(0, 0)}
	Start(&out, c.Now, Config{Label: "run", Unit: "windows", Total: 3}).Stop()
	if want := "run: 0/3 windows in 0s (0/s)\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

// On a terminal the bar is drawn over itself, and what remains is the last line.
func TestTerminal(t *testing.T) {
	var out bytes.Buffer
	c := &clock{now: time.Unix(0, 0)}
	m := Start(&out, c.Now, Config{Label: "collect", Unit: "windows", Total: 4, Terminal: true})
	m.Note("imbalance 0.5")
	c.pass(time.Second)
	m.Add(2)
	m.Print("episode 1 done")
	m.Add(2)
	m.Stop()
	text := out.String()
	for _, want := range []string{"collect: 0/4 windows", "50%", "collect: 2/4 windows, 2/s, 1s left, imbalance 0.5", "\r", "episode 1 done\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %q", want, text)
		}
	}
	if !strings.HasSuffix(text, "collect: 4/4 windows in 1s (4/s)\n") {
		t.Errorf("%q does not end with the count", text)
	}
}

// A line is never wider than the terminal, or than 80 columns if the width is unknown.
func TestTerminalsWidth(t *testing.T) {
	var out bytes.Buffer
	c := &clock{now: time.Unix(0, 0)}
	m := Start(&out, c.Now, Config{Label: "matrix", Unit: "measurements", Total: 2379, Terminal: true})
	m.Note("%s", strings.Repeat("a cell of a long name ", 20))
	c.pass(time.Second)
	m.Add(2)
	for _, line := range strings.FieldsFunc(out.String(), func(r rune) bool { return r == '\r' || r == '\n' }) {
		if n := utf8.RuneCountInString(strings.ReplaceAll(line, "\x1b[0K", "")); n > 80 {
			t.Errorf("%d columns: %q", n, line)
		}
	}
	if !strings.Contains(out.String(), "…") {
		t.Errorf("the note is not shown as far as there is room: %q", out.String())
	}
	m.Stop()
}

func TestConcurrent(t *testing.T) {
	var out bytes.Buffer
	m := Start(&out, time.Now, Config{Label: "x", Unit: "y", Total: 4000, Terminal: true})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				m.Add(1)
				m.Note("n")
			}
		})
	}
	wg.Wait()
	m.Stop()
	if !strings.Contains(out.String(), "4000/4000") {
		t.Errorf("counts were lost: %q", out.String())
	}
}

// Package progress shows how far a long step is: a bar on a terminal, a line every
// few seconds elsewhere, both with rate and time left.
package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Every is the time between two lines where there is no terminal.
const Every = 5 * time.Second

// frame is the time between two drawings of the bar.
const frame = 100 * time.Millisecond

// Config says what is counted.
type Config struct {
	Label    string        // "collect", "train-offline"
	Unit     string        // plural: "windows", "updates"
	Total    int64         // how many there will be; 0 unknown
	Most     time.Duration // after which it ends, however many there are by then; 0: never
	Terminal bool          // the writer is a terminal
}

// Meter shows the progress of one step. It may be used from several goroutines.
type Meter struct {
	cfg Config
	w   io.Writer
	now func() time.Time

	mu    sync.Mutex
	bar   *progressbar.ProgressBar // nil where there is no terminal
	begin time.Time
	last  time.Time // of the last line
	done  int64
	older int64 // of done: not by this step, and not in its rate
	note  string
}

// Start begins a step that is shown on w, timed by now.
func Start(w io.Writer, now func() time.Time, cfg Config) *Meter {
	m := &Meter{cfg: cfg, w: w, now: now, begin: now(), last: now()}
	if !cfg.Terminal {
		return m
	}
	total := cfg.Total
	if total <= 0 {
		total = -1
	}
	// Counts, rate and time left are this package's, as in a log: the bar's own are
	// whole numbers.
	m.bar = progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(m.cut(m.line(m.begin))),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetWidth(10),
		progressbar.OptionUseANSICodes(true),
		progressbar.OptionClearOnFinish(),
	)
	_ = m.bar.RenderBlank() // a bar that cannot be drawn must not end the step
	return m
}

// Add counts n more.
func (m *Meter) Add(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += n
	pause := Every
	if m.bar != nil {
		pause = frame
	}
	now := m.now()
	if now.Sub(m.last) < pause {
		return
	}
	m.last = now
	if m.bar == nil {
		fmt.Fprintln(m.w, m.line(now))
		return
	}
	m.bar.Describe(m.cut(m.line(now)))
	_ = m.bar.Set64(m.done) // as in Start
}

// Skip counts n that were done before this step began.
func (m *Meter) Skip(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += n
	m.older += n
}

// Note sets what is shown beside the count from the next Add on, for example
// "imbalance 0.21".
func (m *Meter) Note(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.note = fmt.Sprintf(format, args...)
}

// Print writes a line of its own without disturbing the bar.
func (m *Meter) Print(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bar != nil {
		_ = m.bar.Clear() // as in Start
	}
	fmt.Fprintf(m.w, format+"\n", args...)
}

// Stop ends the step, complete or not, with a last line: how many in which time.
func (m *Meter) Stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bar != nil {
		_ = m.bar.Clear() // as in Start
		_ = m.bar.Exit()
	}
	took := m.now().Sub(m.begin)
	fmt.Fprintf(m.w, "%s: %s in %v (%s)\n", m.cfg.Label, m.count(), round(took), m.rate(took))
}

// barWidth is what the bar takes of a terminal's line, with its percentage and blanks.
const barWidth = 22

// cut shortens what stands beside the bar to what the terminal has room for: a line that
// wraps could not be drawn over.
func (m *Meter) cut(line string) string {
	columns := 80
	if f, ok := m.w.(interface{ Fd() uintptr }); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			columns = width
		}
	}
	text, most := []rune(line), max(1, columns-barWidth)
	if len(text) <= most {
		return line
	}
	return string(text[:most-1]) + "…"
}

// line is the state of things for a log.
func (m *Meter) line(now time.Time) string {
	took := now.Sub(m.begin)
	parts := []string{m.count()}
	fresh := m.done - m.older
	if fresh > 0 {
		parts = append(parts, m.rate(took))
	}
	eta := time.Duration(-1)
	if left := m.cfg.Total - m.done; m.cfg.Total > 0 && fresh > 0 && left > 0 {
		eta = time.Duration(float64(took) / float64(fresh) * float64(left))
	}
	if left := m.cfg.Most - took; m.cfg.Most > 0 && left > 0 && (eta < 0 || left < eta) {
		eta = left
	}
	if eta >= 0 {
		parts = append(parts, fmt.Sprintf("%v left", round(eta)))
	}
	if m.note != "" {
		parts = append(parts, m.note)
	}
	return m.cfg.Label + ": " + strings.Join(parts, ", ")
}

func (m *Meter) count() string {
	if m.cfg.Total > 0 {
		return fmt.Sprintf("%d/%d %s", m.done, m.cfg.Total, m.cfg.Unit)
	}
	return fmt.Sprintf("%d %s", m.done, m.cfg.Unit)
}

func (m *Meter) rate(took time.Duration) string {
	if took <= 0 {
		return "0/s"
	}
	return fmt.Sprintf("%.3g/s", float64(m.done-m.older)/took.Seconds())
}

func round(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(time.Second)
}

package client

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/serve/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// base is a configuration of a job of two workers, the first of which is slow.
func base() Config {
	c := Config{
		Address: "127.0.0.1:1", Job: "j", StaleAfter: time.Second,
		Shape: reports.Shape{Workers: 2, Partitioners: 1, Slots: 4096, Slides: 1, Slide: 100 * time.Millisecond},
	}
	c.complete()
	return c
}

// slow is what the job reports under hash: equal work, one worker twice as busy.
func slow(slide uint64, version uint64) *reports.Report {
	slots := make([]int64, 4096)
	for i := range slots {
		slots[i] = 100
	}
	return &reports.Report{
		Slide:        slide,
		Workers:      []reports.Worker{{Index: 0, Records: 204800, Busy: 0.8}, {Index: 1, Records: 204800, Busy: 0.4}},
		Partitioners: []reports.Partitioner{{Sent: 409600, Slots: slots, RouteVersion: version}},
	}
}

// The last route is kept while answers are late, then the analytic one takes over, made
// of what was seen before; a fresh answer ends it, an old one does not.
func TestFallback(t *testing.T) {
	c := base()
	f := newFallback(&c)
	now := time.Unix(0, 0)
	force := policy.HashRoute(2)
	force.Version = 41
	step := func(slide uint64) (*policy.Decision, bool) {
		now = now.Add(100 * time.Millisecond)
		d, began := f.report(now, encode(slow(slide, 41)), force)
		if d == (policy.Decision{}) {
			return nil, began
		}
		return &d, began
	}
	for slide := range uint64(20) {
		if next, began := step(slide); next != nil || began {
			t.Fatalf("slide %d: the analytic route takes over though the server answers", slide)
		}
		if fresh, ended := f.answered(now, slide); !fresh || ended {
			t.Fatalf("slide %d: an answer is fresh: %v, ends something: %v", slide, fresh, ended)
		}
	}
	slide := uint64(20)
	for ; slide < 29; slide++ {
		if next, began := step(slide); next != nil || began {
			t.Fatalf("slide %d: the analytic route takes over after less than a second", slide)
		}
	}
	d, began := step(slide)
	if !began || d == nil || d.Route == nil || d.Capacities == nil {
		t.Fatalf("after a second nothing takes over: %v, %v", d, began)
	}
	if of := d.Capacities.Of; of[1] < 0.6 || of[1] > 0.73 {
		t.Errorf("the fast worker has %.2f of the capacity; its speed says 0.67", of[1])
	}
	next := d.Route
	if err := next.Validate(); err != nil || next.Version <= force.Version+1000 {
		t.Errorf("the analytic route has version %d after %d, error %v", next.Version, force.Version, err)
	}
	slots := 0
	for _, w := range next.Slots {
		slots += int(w)
	}
	if part := float64(slots) / float64(len(next.Slots)); part < 0.6 || part > 0.73 {
		t.Errorf("the fast worker gets %.2f of the slots; its speed says 0.67", part)
	}
	if fresh, ended := f.answered(now, 12); fresh || ended {
		t.Error("an answer to a window of long ago ends the analytic route")
	}
	force = next
	if _, began := step(30); began {
		t.Error("it takes over twice")
	}
	if fresh, ended := f.answered(now, 30); !fresh || !ended {
		t.Errorf("a fresh answer does not end it: %v, %v", fresh, ended)
	}
}

// A job that never hears of a server is analytic all the same.
func TestFallbackWithoutAnyServer(t *testing.T) {
	c := base()
	f := newFallback(&c)
	now := time.Unix(0, 0)
	for slide := range uint64(15) {
		next, _ := f.report(now, encode(slow(slide, 0)), nil)
		if next.Route != nil {
			if slide < 10 {
				t.Errorf("slide %d is too early", slide)
			}
			return
		}
		now = now.Add(100 * time.Millisecond)
	}
	t.Error("no route after 1.5 s")
}

// A client without partitioners follows no route, gets no answers and does not wait for any.
func TestNoFallbackWithoutPartitioners(t *testing.T) {
	c := base()
	c.Workers = wire.Ranges{{First: 0, Count: 2}}
	f := newFallback(&c)
	now := time.Unix(0, 0)
	for slide := range uint64(100) {
		r := slow(slide, 0)
		r.Partitioners = nil
		if next, began := f.report(now, encode(r), nil); next != (policy.Decision{}) || began || len(f.kept) > 0 {
			t.Fatalf("slide %d: began: %v, route %v, %d reports kept", slide, began, next, len(f.kept))
		}
		now = now.Add(100 * time.Millisecond)
	}
}

// However often and in whatever pieces a program reports, few reports are kept.
func TestFallbackKeepsWhatItNeeds(t *testing.T) {
	for _, tc := range []struct {
		why            string
		slides, pieces int // of a window, and of a slide
		most           int
	}{
		{"whole windows", 1, 1, 24},
		{"windows of slides", 8, 1, 64},
		{"windows of many slides", 100, 1, 400},
		{"a report for each subtask", 2, 3, 48 * 3},
		{"the same slide again and again", 1, 1000, 24 * 3},
	} {
		c := base()
		c.Shape.Slides = tc.slides
		f := newFallback(&c)
		now := time.Unix(0, 0)
		for slide := range uint64(1000) {
			for range tc.pieces {
				f.report(now, encode(&reports.Report{Slide: slide, Workers: []reports.Worker{{Busy: 0.5}}}), nil)
			}
		}
		if n := len(f.kept); n > tc.most || n < tc.most/2 {
			t.Errorf("%s: %d reports are kept; %d are enough", tc.why, n, tc.most)
		}
	}
}

func TestBackOff(t *testing.T) {
	jitter := rand.New(rand.NewPCG(1, 1))
	b := BackOff{First: 100 * time.Millisecond, Most: 2 * time.Second}
	varied := map[time.Duration]bool{}
	for failures, middle := range []time.Duration{100 * time.Millisecond, 150 * time.Millisecond, 225 * time.Millisecond} {
		for range 100 {
			w := b.wait(failures, jitter)
			varied[w] = true
			if w < middle*8/10 || w > middle*12/10 {
				t.Errorf("after %d failures it waits %v, not about %v", failures, w, middle)
			}
		}
	}
	if w := b.wait(1000, jitter); w < 1600*time.Millisecond || w > 2400*time.Millisecond {
		t.Errorf("after a thousand failures it waits %v", w)
	}
	if len(varied) < 250 {
		t.Errorf("only %d different waits: many clients would come at once", len(varied))
	}
}

func TestConfigRefuses(t *testing.T) {
	for _, c := range []struct {
		turn func(*Config)
		want string
	}{
		{func(c *Config) { c.Address = "" }, "address"},
		{func(c *Config) { c.Job = "" }, "job"},
		{func(c *Config) { c.Shape.Workers = 0 }, "workers"},
		{func(c *Config) { c.StaleAfter = -1 }, "stale_after"},
		{func(c *Config) { c.BackOff.Most = 1 }, "back_off"},
		{func(c *Config) { c.Queue = -1 }, "queue"},
	} {
		config := base()
		c.turn(&config)
		if client, err := New(config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v", c.want, client, err)
		}
	}
}

// Reports are taken while there is no server, up to the queue's length.
func TestReportNeverWaits(t *testing.T) {
	config := base()
	config.Queue = 3
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for slide := range uint64(10) {
		if err := c.Report(slow(slide, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if s := c.Status(); s.Reports != 10 || s.Dropped != 7 || s.Connected {
		t.Errorf("status %+v", s)
	}
	if err := c.Report(&reports.Report{Workers: []reports.Worker{{Index: 2}}}); err == nil {
		t.Error("worker 2 of 2 is taken")
	}
}

// A window is its owner's again after Decide, while what was reported of it still waits.
func TestControllerKeepsNoWindow(t *testing.T) {
	c, err := New(base())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w := &policy.Window{
		Counts: []int64{1, 1}, Busy: []float64{0.5, 0.5}, Hot: []policy.HotKey{{Hash: 7, Count: 3}}, Slots: make([]int64, 4096),
		End: time.Second, ActualRate: 2,
	}
	c.Controller(0).Decide(w, policy.HashRoute(2))
	w.Hot[0].Count, w.Slots[0] = 1e6, 1e6
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.fallback.kept[0].report
	if _, err := wire.TakeReport(kept.frame, c.config.hello(), nil, func(r *reports.Report) error {
		if p := &r.Partitioners[0]; p.Hot[0].Count != 3 || p.Slots[0] != 0 {
			t.Errorf("kept: %+v and %d records in slot 0", p.Hot, p.Slots[0])
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

package loop

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// recorder is a router that records what it adopts.
type recorder struct {
	name string
	log  []string
}

func (r *recorder) Route(*stream.Batch, []partition.Dest) {}
func (r *recorder) EndSlide(int64)                        {}
func (r *recorder) Gossip() any                           { return r.name }
func (r *recorder) Absorb(snapshots []any) {
	r.log = append(r.log, fmt.Sprintf("absorbs %v", snapshots))
}
func (r *recorder) Observe(w *policy.Window) {
	r.log = append(r.log, fmt.Sprintf("learns from window %d", w.Step))
}
func (r *recorder) SetCapacities(c *policy.Capacities) {
	r.log = append(r.log, fmt.Sprintf("keeps within capacities %v", c.Of[0]))
}
func (r *recorder) Follow(route *policy.Route, slide int64) {
	r.log = append(r.log, fmt.Sprintf("follows route %d from slide %d", route.Version, slide))
}

// scene is a job's subtasks and what is announced to them.
type scene struct {
	*Announcements
	subtasks []Subtask
	slides   []int64 // that each subtask is in; -1: it has not begun
}

func newScene(subtasks int) *scene {
	c := &scene{Announcements: NewAnnouncements(subtasks, policy.BlurConfig{}, 1)}
	for range subtasks {
		c.subtasks = append(c.subtasks, Subtask{Router: &recorder{name: "first"}})
		c.slides = append(c.slides, -1)
	}
	return c
}

// numbered are capacities that a recorder tells apart.
func numbered(n int) *policy.Capacities { return &policy.Capacities{Of: []float64{float64(n)}} }

func (c *scene) change(partitioner string) {
	routers := make([]partition.Router, len(c.subtasks))
	for i := range routers {
		routers[i] = &recorder{name: partitioner}
	}
	c.Switch(partitioner, routers)
}

// adopt has a subtask adopt announcements and returns what happened.
func (c *scene) adopt(subtask int, slide int64, list ...Announcement) []string {
	var out []string
	s := &c.subtasks[subtask]
	for _, n := range list {
		before := s.Router.(*recorder)
		s.Adopt(&n, slide)
		if after := s.Router.(*recorder); after != before {
			out = append(out, fmt.Sprintf("switches to %s", after.name))
			continue
		}
		out = append(out, before.log...)
		before.log = nil
	}
	return out
}

// begin has a subtask end its slide, if it is in one, and begin the next.
func (c *scene) begin(subtask int) []string {
	if slide := c.slides[subtask]; slide >= 0 {
		c.Gossip(subtask, slide, fmt.Sprintf("%v/%d/%d", c.subtasks[subtask].EndSlide(slide), subtask, slide))
	}
	c.slides[subtask]++
	return c.adopt(subtask, c.slides[subtask], c.Begin(subtask, c.slides[subtask], nil)...)
}

// catchUp has a late subtask catch up.
func (c *scene) catchUp(subtask int) []string {
	return c.adopt(subtask, c.slides[subtask]+1, c.CatchUp(subtask, nil)...)
}

func init() {
	with := func(do func(s *script, c *scene, args []int) error, count int) command {
		return func(s *script, args []string) error {
			n, err := numbers(args, count)
			if err != nil {
				return err
			}
			return do(s, part(s, "scene", func() *scene { return newScene(1) }), n)
		}
	}
	show := func(s *script, list []string) {
		for _, l := range list {
			s.printf("%s", l)
		}
		if len(list) == 0 {
			s.printf("nothing")
		}
	}
	commands["subtasks"] = with(func(s *script, _ *scene, n []int) error {
		s.parts["scene"] = newScene(n[0])
		return nil
	}, 1)
	commands["route"] = with(func(s *script, c *scene, n []int) error {
		r := policy.HashRoute(2)
		r.Version = uint64(n[0])
		c.Route(r)
		s.printf("holds from slide %d", c.Next())
		return nil
	}, 1)
	commands["capacities"] = with(func(s *script, c *scene, n []int) error {
		c.Capacities(numbered(n[0]))
		return nil
	}, 1)
	commands["window"] = with(func(s *script, c *scene, n []int) error {
		c.Window(&policy.Window{Step: n[0]})
		return nil
	}, 1)
	commands["begin"] = with(func(s *script, c *scene, n []int) error {
		list := c.begin(n[0])
		s.printf("slide %d:", c.slides[n[0]])
		show(s, list)
		return nil
	}, 1)
	commands["catch-up"] = with(func(s *script, c *scene, n []int) error {
		show(s, c.catchUp(n[0]))
		return nil
	}, 1)
	commands["end"] = with(func(s *script, c *scene, n []int) error {
		c.End(n[0])
		return nil
	}, 1)
	commands["switch"] = func(s *script, args []string) error {
		if len(args) != 1 {
			return errors.New("want a name")
		}
		c := part(s, "scene", func() *scene { return newScene(1) })
		c.change(args[0])
		s.printf("holds from slide %d", c.Next())
		return nil
	}
}

// event is an event of a case of testdata/loop/announcements.json, which implementations
// in other languages run too: one key, and what the subtask then adopts.
type event struct {
	Route      uint64   `json:"route,omitempty"`
	Switch     string   `json:"switch,omitempty"`
	Capacities int      `json:"capacities,omitempty"`
	Begin      *int     `json:"begin,omitempty"`
	CatchUp    *int     `json:"catch_up,omitempty"`
	End        *int     `json:"end,omitempty"`
	Slide      *int64   `json:"slide,omitempty"` // route, switch: holds from; begin: the slide
	Adopts     []string `json:"adopts,omitempty"`
}

// The rules as cases, run by every implementation.
func TestAnnouncementCases(t *testing.T) {
	text, err := os.ReadFile("../testdata/loop/announcements.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases []struct {
			Why      string  `json:"why"`
			Subtasks int     `json:"subtasks"`
			Inbox    bool    `json:"inbox"`
			Events   []event `json:"events"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, tc := range file.Cases {
		c := newScene(tc.Subtasks)
		for i, e := range tc.Events {
			var got []string
			switch {
			case e.Route > 0:
				r := policy.HashRoute(2)
				r.Version = e.Route
				c.Route(r)
			case e.Switch != "":
				c.change(e.Switch)
			case e.Capacities > 0:
				c.Capacities(numbered(e.Capacities))
			case e.Begin != nil:
				got = c.begin(*e.Begin)
				if s := c.slides[*e.Begin]; s != *e.Slide {
					t.Fatalf("%s: event %d begins slide %d, want %d", tc.Why, i, s, *e.Slide)
				}
			case e.CatchUp != nil:
				got = c.catchUp(*e.CatchUp)
			case e.End != nil:
				c.End(*e.End)
			}
			if (e.Route > 0 || e.Switch != "") && c.Next() != *e.Slide {
				t.Errorf("%s: event %d holds from slide %d, want %d", tc.Why, i, c.Next(), *e.Slide)
			}
			got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "absorbs") })
			if !slices.Equal(got, e.Adopts) {
				t.Errorf("%s: event %d adopts %q, want %q", tc.Why, i, got, e.Adopts)
			}
		}
	}
}

func TestLate(t *testing.T) {
	const length = 500 * time.Millisecond
	for _, c := range []struct {
		why   string
		slide int64
		now   time.Duration
		want  bool
	}{
		{"its slide is on", 4, 2250 * time.Millisecond, false},
		{"its slide is over", 4, 2700 * time.Millisecond, false},
		{"over for just a slide", 4, 3000 * time.Millisecond, false},
		{"over for more than a slide", 4, 3001 * time.Millisecond, true},
	} {
		if got := Late(c.slide, length, c.now); got != c.want {
			t.Errorf("%s: late %v, want %v", c.why, got, c.want)
		}
	}
}

// Subtasks that do not catch up route each slide by the same router and route. A subtask's
// versions only rise. Gossip comes from the routers that absorb it.
func TestAnnouncementsProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(t, "subtasks")
		c := newScene(n)
		late := rapid.Bool().Draw(t, "late")
		type force struct {
			router  string
			version uint64
		}
		bySlide := map[int64]force{}
		ended := make([]bool, n)
		version, switches := uint64(0), 0
		for range rapid.IntRange(1, 80).Draw(t, "events") {
			i := rapid.IntRange(0, n-1).Draw(t, "subtask")
			var got []string
			switch rapid.IntRange(0, 10).Draw(t, "event") {
			case 10:
				c.Capacities(numbered(1))
			case 0, 1:
				version++
				r := policy.HashRoute(2)
				r.Version = version
				c.Route(r)
			case 2:
				switches++
				c.change(fmt.Sprint("p", switches))
			case 3:
				if late && !ended[i] && c.slides[i] >= 0 {
					got = c.catchUp(i)
				}
			case 4:
				if rapid.IntRange(0, 9).Draw(t, "ends") == 0 {
					ended[i] = true
					c.End(i)
				}
			default:
				if ended[i] {
					continue
				}
				before := c.subtasks[i].Router
				got = c.begin(i)
				s := &c.subtasks[i]
				now := force{router: s.Router.(*recorder).name}
				if s.Route != nil {
					now.version = s.Route.Version
				}
				if was, ok := bySlide[c.slides[i]]; !late && ok && was != now {
					t.Fatalf("slide %d: subtask %d routes by %v, another by %v", c.slides[i], i, now, was)
				}
				bySlide[c.slides[i]] = now
				for _, g := range got {
					snapshots, ok := strings.CutPrefix(g, "absorbs ")
					for _, from := range strings.Fields(strings.Trim(snapshots, "[]")) {
						if ok && from != "<nil>" && !strings.HasPrefix(from, before.(*recorder).name+"/") {
							t.Fatalf("subtask %d, whose router is %s, absorbs %s", i, before.(*recorder).name, from)
						}
					}
				}
			}
			last := uint64(0)
			for _, g := range got {
				var v, slide uint64
				if k, _ := fmt.Sscanf(g, "follows route %d from slide %d", &v, &slide); k == 2 {
					if v <= last {
						t.Fatalf("route %d after route %d", v, last)
					}
					last = v
				}
			}
		}
	})
}

// A subtask that has ended adopts nothing, so that nothing may be kept for it: a job may run
// on for days after one of its sources has ended.
func TestNothingIsKeptForAnEndedSubtask(t *testing.T) {
	a := NewAnnouncements(2, policy.BlurConfig{}, 1)
	a.End(0)
	for slide := range int64(100) {
		a.Begin(1, slide, nil)
		a.Decide(policy.Decision{Route: &policy.Route{Version: uint64(slide + 1)}, Capacities: numbered(1)})
		a.Switch("other", []partition.Router{&recorder{}, &recorder{}})
		a.Window(&policy.Window{})
	}
	if n := len(a.subtasks[0].pending); n > 0 {
		t.Errorf("%d announcements are kept for a subtask that has ended", n)
	}
}

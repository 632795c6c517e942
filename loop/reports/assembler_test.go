package reports

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/saspart/saspart/policy"
)

var small = Shape{Workers: 2, Partitioners: 2, Slots: 4, Slides: 2, Slide: 50 * time.Millisecond}

var quick = Config{Deadline: 20 * time.Millisecond, Ahead: 4, Silence: time.Second}

// naive is the assembler by its definition: it keeps every report and looks at all of
// them each time.
type naive struct {
	begun bool
	base  uint64
	all   []arrival       // since the last jump back
	heard map[int]arrival // the last one of each subtask
}

type arrival struct {
	at time.Time
	r  *Report
}

func (n *naive) window(r *Report) uint64 { return r.Slide / uint64(small.Slides) }

func subtasksOf(r *Report) []int {
	var out []int
	for _, w := range r.Workers {
		out = append(out, w.Index)
	}
	for _, p := range r.Partitioners {
		out = append(out, small.Workers+p.Index)
	}
	return out
}

func (n *naive) add(now time.Time, r *Report) error {
	w := n.window(r)
	if !n.begun {
		n.begun, n.base, n.heard = true, w, map[int]arrival{}
	}
	far := func(w uint64) bool { return w < n.base && n.base-w >= uint64(quick.Ahead) }
	if far(w) {
		n.hear(now, r)
		behind, others := 0, 0
		for _, a := range n.heard {
			if now.Sub(a.at) >= quick.Silence {
				continue
			}
			if far(n.window(a.r)) {
				behind++
			} else {
				others++
			}
		}
		if behind > others {
			n.base, n.all = w, nil
		}
	}
	if w >= n.base+uint64(quick.Ahead) {
		for s, a := range n.heard {
			if now.Sub(a.at) < quick.Silence && !slices.Contains(subtasksOf(r), s) {
				return ErrAhead
			}
		}
		n.base = w
	}
	n.hear(now, r)
	n.all = append(n.all, arrival{now, r})
	return nil
}

func (n *naive) hear(now time.Time, r *Report) {
	for _, s := range subtasksOf(r) {
		n.heard[s] = arrival{now, r}
	}
}

// next is the oldest window's number, records and missing subtasks, if it is over. A
// report counts if it came before its window was returned, and as the first of its
// subtask and slide: later ones are in n.all with late set by the caller.
func (n *naive) next(now time.Time) (number uint64, records int64, missing []int, ok bool) {
	for n.begun {
		due, any := time.Time{}, false
		got := map[[2]int]int64{} // subtask, slide: records or sent
		for _, a := range n.all {
			w, slide := n.window(a.r), int(a.r.Slide%uint64(small.Slides))
			if w > n.base || w == n.base && slide == small.Slides-1 {
				if t := a.at.Add(quick.Deadline); due.IsZero() || t.Before(due) {
					due = t
				}
			}
			if w != n.base {
				continue
			}
			any = true
			for _, x := range a.r.Workers {
				if _, twice := got[[2]int{x.Index, slide}]; !twice {
					got[[2]int{x.Index, slide}] = x.Records
				}
			}
			for _, x := range a.r.Partitioners {
				got[[2]int{small.Workers + x.Index, slide}] = 0
			}
		}
		over := !due.IsZero() && !now.Before(due)
		all := (small.Workers + small.Partitioners) * small.Slides
		for w := n.base; w < n.base+uint64(quick.Ahead) && !over; w++ { // or a later one is complete
			there := map[[2]int]bool{}
			for _, a := range n.all {
				for _, s := range subtasksOf(a.r) {
					if n.window(a.r) == w {
						there[[2]int{s, int(a.r.Slide % uint64(small.Slides))}] = true
					}
				}
			}
			over = len(there) == all
		}
		if !over {
			return 0, 0, nil, false
		}
		number = n.base
		n.base++
		if !any {
			continue
		}
		for s := range small.Workers + small.Partitioners {
			sum, slides := int64(0), 0
			for i := range small.Slides {
				if v, ok := got[[2]int{s, i}]; ok {
					sum += v
					slides++
				}
			}
			if slides < small.Slides {
				missing = append(missing, s)
			} else {
				records += sum
			}
		}
		return number, records, missing, true
	}
	return 0, 0, nil, false
}

// compare runs both on a schedule of reports, four bytes each: how much time passes,
// which slide, which subtasks (a set), how many records.
func compare(t *testing.T, schedule []byte) {
	a, n := NewAssembler(small, quick), &naive{}
	now := time.Unix(1000, 0)
	last, reported := int64(-1), uint64(0)
	for ; len(schedule) >= 4; schedule = schedule[4:] {
		now = now.Add(time.Duration(schedule[0]) * time.Millisecond)
		slide := uint64(schedule[1])
		if schedule[1] >= 250 { // now and then from another time altogether
			slide = math.MaxUint64 >> (schedule[1] - 250) / 3
		}
		r := &Report{Slide: slide}
		for i := range small.Workers {
			if schedule[2]>>i&1 == 1 {
				r.Workers = append(r.Workers, Worker{Index: i, Records: int64(schedule[3]) + int64(i), Busy: 0.5})
			}
		}
		for i := range small.Partitioners {
			if schedule[2]>>(4+i)&1 == 1 {
				r.Partitioners = append(r.Partitioners, Partitioner{Index: i, Hot: []policy.HotKey{{Hash: uint64(schedule[3]), Count: 1}}})
			}
		}
		if len(subtasksOf(r)) == 0 {
			continue
		}
		base := n.base
		want := n.add(now, r)
		if n.base < base {
			last = -1
		}
		got := a.Add(now, r)
		if !errors.Is(got, want) {
			t.Fatalf("slide %d: error %v, want %v", r.Slide, got, want)
		}
		if got == nil {
			reported += uint64(len(subtasksOf(r)))
		}
		for {
			number, records, missing, ok := n.next(now)
			out := a.Next(now)
			if ok != (out != nil) {
				t.Fatalf("slide %d: window %+v is returned, want %v", r.Slide, out, ok)
			}
			if !ok {
				break
			}
			absent := slices.Clone(out.Workers)
			for _, p := range out.Partitioners {
				absent = append(absent, small.Workers+p)
			}
			if out.Number != number || out.Window.Records != records || !slices.Equal(absent, missing) {
				t.Fatalf("window %d of %d records, missing %v; want %d of %d, %v", out.Number, out.Window.Records, absent, number, records, missing)
			}
			if int64(number) <= last {
				t.Fatalf("window %d after window %d", number, last)
			}
			last = int64(number)
			for i, b := range out.Window.Busy {
				if slices.Contains(out.Workers, i) != math.IsNaN(b) {
					t.Fatalf("worker %d has busy ratio %v; missing are %v", i, b, out.Workers)
				}
			}
			out.Release()
		}
	}
	if c := a.Counts(); c.Taken+c.Late+c.Duplicate != reported {
		t.Fatalf("%+v do not add up to %d", c, reported)
	}
}

func FuzzAssembler(f *testing.F) {
	f.Add([]byte{1, 0, 0xff, 9, 1, 1, 0xff, 9, 1, 2, 0xff, 9, 1, 3, 0xff, 9})                             // all in time
	f.Add([]byte{1, 0, 0x31, 9, 1, 0, 2, 9, 1, 1, 0x31, 9, 30, 2, 0x33, 9, 1, 1, 2, 9})                   // one too late
	f.Add([]byte{1, 0, 0x33, 9, 1, 0, 0x33, 9, 1, 9, 0x33, 9, 1, 200, 1, 9, 1, 253, 0x33, 1, 1, 4, 3, 3}) // twice, then far ahead
	f.Add([]byte{1, 6, 1, 9, 100, 0, 2, 9, 1, 7, 0x32, 9, 1, 13, 0x12, 9, 255, 12, 0x33, 9, 255, 251, 0x33, 1})
	f.Fuzz(func(t *testing.T, schedule []byte) { compare(t, schedule[:min(len(schedule), 1<<10)]) }) // the twin takes the square of it
}

func TestAssemblerIsItsDefinition(t *testing.T) {
	seeds := 400
	if testing.Short() {
		seeds = 25
	}
	for seed := range seeds {
		rng := newRand(uint64(seed))
		var schedule []byte
		base := 0
		for range 200 {
			base += rng.IntN(3) - rng.IntN(2)*rng.IntN(2)
			slide := byte(max(0, min(249, base/2+rng.IntN(3))))
			if rng.IntN(60) == 0 {
				slide = byte(250 + rng.IntN(6))
			}
			set := byte(0x33)
			if rng.IntN(3) > 0 {
				set = byte(rng.IntN(256))
			}
			schedule = append(schedule, byte(rng.IntN(12)*rng.IntN(6)), slide, set, byte(rng.IntN(256)))
		}
		compare(t, schedule)
	}
}

func report(slide uint64, busy float64, workers ...int) *Report {
	r := &Report{Slide: slide}
	for _, w := range workers {
		r.Workers = append(r.Workers, Worker{Index: w, Records: 10, Units: 20, Busy: busy, Queue: busy, Realised: []Realised{{7, 3}}, Times: timesOf(4)})
	}
	return r
}

// timesOf is the times of records of key 7, in slot 0.
func timesOf(records int64) policy.Times {
	total := time.Duration(records) * time.Microsecond
	return policy.Times{
		Records: records, Total: total, Scatter: 0.5, Keys: []policy.KeyTime{{Hash: 7, Name: "g", Records: records, Total: total}},
		Slots: []policy.SlotTime{{Slot: 0, Records: records, Total: total}},
	}
}

func keys(p int, slide uint64, version uint64, hot ...policy.HotKey) *Report {
	return &Report{Slide: slide, Partitioners: []Partitioner{{
		Index: p, Sent: 100, Offered: 1000, Blocked: 0.5, Hot: hot, Slots: []int64{1, 2, 3, 4}, RouteVersion: version,
	}}}
}

// What a window holds: sums of counts, means of ratios, hot keys joined by hash.
func TestWindowIsJoined(t *testing.T) {
	a := NewAssembler(small, quick)
	now := time.Unix(0, 0)
	route := policy.HashRoute(2)
	route.Version = 4
	a.Know(route)
	for _, r := range []*Report{
		report(6, 0.2, 0), report(7, 0.4, 0), report(6, 1, 1), report(7, 0.5, 1),
		keys(0, 6, 4, policy.HotKey{Hash: 1, Count: 5, Name: "a"}, policy.HotKey{Hash: 2, Count: 4, Error: 1, Name: "b"}),
		keys(0, 7, 4), keys(1, 6, 4, policy.HotKey{Hash: 2, Count: 3, Name: "b"}), keys(1, 7, 4),
	} {
		if err := a.Add(now, r); err != nil {
			t.Fatal(err)
		}
	}
	got := a.Next(now)
	if got == nil || !got.Complete() || got.Number != 3 {
		t.Fatalf("%+v is returned", got)
	}
	want := &policy.Window{
		Step: 3, Start: 300 * time.Millisecond, End: 400 * time.Millisecond,
		Records: 40, Counts: []int64{20, 20}, Units: []int64{40, 40}, Busy: []float64{0.3, 0.75}, Queue: []float64{0.4, 0.5},
		OfferedRate: 2000, ActualRate: 4000, Backpressured: 0.5,
		Hot:   []policy.HotKey{{Name: "b", Hash: 2, Count: 7, Error: 1}, {Name: "a", Hash: 1, Count: 5}},
		Slots: []int64{4, 8, 12, 16}, Route: route,
		Realised: []policy.RealisedShare{{Hash: 7, Worker: 0, Count: 6}, {Hash: 7, Worker: 1, Count: 6}},
		Times:    []policy.Times{timesOf(8), timesOf(8)},
	}
	if diff := gocmp.Diff(want, got.Window, cmpopts.EquateApprox(1e-12, 0)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if c := a.Counts(); c != (Counts{Taken: 8}) {
		t.Errorf("counts %+v", c)
	}
}

// A window is of two routes if any subtask says so, or if they do not agree.
func TestRouteNew(t *testing.T) {
	changed := keys(0, 1, 5)
	changed.Partitioners[0].RouteChanged = true
	for _, c := range []struct {
		why     string
		reports []*Report
		version uint64
		mixed   bool
	}{
		{"one route throughout", []*Report{keys(0, 0, 4), keys(1, 0, 4), keys(0, 1, 4), keys(1, 1, 4)}, 4, false},
		{"it changed between slides", []*Report{keys(0, 0, 4), keys(1, 0, 4), keys(0, 1, 5), keys(1, 1, 5)}, 5, true},
		{"one subtask is behind", []*Report{keys(0, 0, 4), keys(1, 0, 4), keys(0, 1, 5), keys(1, 1, 4)}, 5, true},
		{"work of another route was left", []*Report{keys(0, 0, 5), keys(1, 0, 5), changed, keys(1, 1, 5)}, 5, true},
		{"slides came in another order", []*Report{keys(0, 1, 5), keys(0, 0, 4), keys(1, 1, 5), keys(1, 0, 4)}, 5, true},
	} {
		a := NewAssembler(small, quick)
		for v := range uint64(8) {
			r := policy.HashRoute(2)
			r.Version = v
			a.Know(r)
		}
		for _, r := range append(c.reports, report(0, 1, 0, 1), report(1, 1, 0, 1)) {
			if err := a.Add(time.Time{}, r); err != nil {
				t.Fatal(err)
			}
		}
		w := a.Next(time.Time{}).Window
		if w.Route == nil || w.Route.Version != c.version || w.RouteNew != c.mixed {
			t.Errorf("%s: route %+v, new %v", c.why, w.Route, w.RouteNew)
		}
	}
}

// However many keys are named, a window keeps the heaviest of a bounded number.
func TestHotKeysAreBounded(t *testing.T) {
	var h hotKeys
	rng := newRand(1)
	total := map[uint64]int64{}
	for range 200 {
		var list []policy.HotKey
		for i := range 100 {
			k := policy.HotKey{Hash: uint64(i), Count: int64(1000 / (i + 1))}
			if i >= 50 {
				k.Hash = rng.Uint64()
			}
			total[k.Hash] += k.Count
			list = append(list, k)
		}
		h.add(list, 100)
		if len(h.keys) > 300 {
			t.Fatalf("%d keys are kept", len(h.keys))
		}
	}
	for i, k := range h.heaviest(20) {
		if k.Hash != uint64(i) || k.Count != total[k.Hash] {
			t.Errorf("key %d is %+v, which occurred %d times", i, k, total[k.Hash])
		}
	}
}

// A window names as many keys as its job asks for, the heaviest of all subtasks.
func TestNamedKeys(t *testing.T) {
	shape := small
	shape.Named, shape.Slides = 2, 1
	a := NewAssembler(shape, quick)
	for p := range 2 {
		if err := a.Add(time.Time{}, keys(p, 0, 0, policy.HotKey{Hash: 1, Count: 5}, policy.HotKey{Hash: 2, Count: 4}, policy.HotKey{Hash: uint64(3 + p), Count: 9})); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Add(time.Time{}, report(0, 1, 0, 1)); err != nil {
		t.Fatal(err)
	}
	want := []policy.HotKey{{Hash: 1, Count: 10}, {Hash: 3, Count: 9}}
	if got := a.Next(time.Time{}).Window.Hot; !slices.Equal(got, want) {
		t.Errorf("the window names %v, want %v", got, want)
	}
}

func TestShapeRefuses(t *testing.T) {
	for _, c := range []struct {
		why  string
		turn func(*Shape)
	}{
		{"no workers", func(s *Shape) { s.Workers = 0 }},
		{"more workers than an index has room for", func(s *Shape) { s.Workers = policy.MaxWorkers + 1 }},
		{"no partitioners", func(s *Shape) { s.Partitioners = 0 }},
		{"slots that no hash divides into", func(s *Shape) { s.Slots = 12 }},
		{"more slots than a plan can have", func(s *Shape) { s.Slots = 2 * policy.SlotCount(policy.MaxWorkers) }},
		{"a negative number of slots", func(s *Shape) { s.Slots = -4 }},
		{"windows without slides", func(s *Shape) { s.Slides = 0 }},
		{"slides of no length", func(s *Shape) { s.Slide = 0 }},
		{"a negative number of hot keys", func(s *Shape) { s.Named = -1 }},
		{"more reports in a window than memory is meant for", func(s *Shape) { s.Workers, s.Slides = 30000, 1000 }},
	} {
		s := small
		c.turn(&s)
		if s.Validate() == nil {
			t.Errorf("%s: %+v is taken", c.why, s)
		}
	}
	if err := small.Validate(); err != nil {
		t.Error(err)
	}
}

// A window of a job in one process comes back as it went.
func TestSetWindow(t *testing.T) {
	shape := Shape{Workers: 3, Partitioners: 1, Slots: 4, Slides: 1, Slide: time.Second}
	w := &policy.Window{
		Step: 2, Start: 2 * time.Second, End: 3 * time.Second, Records: 30, OfferedRate: 40, ActualRate: 35, Backpressured: 0.25,
		Counts: []int64{10, 20, 0}, Units: []int64{1, 2, 0}, Busy: []float64{0.5, 1, math.NaN()}, Queue: []float64{0, 0.5, math.NaN()},
		Hot: []policy.HotKey{{Hash: 5, Count: 9}}, Slots: []int64{1, 2, 3, 4}, RouteNew: true,
		Realised: []policy.RealisedShare{{Hash: 5, Worker: 0, Count: 4}, {Hash: 5, Worker: 1, Count: 5}},
		Times:    []policy.Times{timesOf(3), timesOf(4), {}},
	}
	a := NewAssembler(shape, quick)
	r := &Report{}
	r.SetWindow(w, &shape)
	if err := errors.Join(r.Check(&shape), a.Add(time.Time{}, r)); err != nil {
		t.Fatal(err)
	}
	if a.Next(time.Time{}) != nil {
		t.Error("a window without its third worker is returned before its deadline")
	}
	got := a.Next(time.Time{}.Add(quick.Deadline))
	if !slices.Equal(got.Workers, []int{2}) {
		t.Errorf("missing are %v", got.Workers)
	}
	if diff := gocmp.Diff(w, got.Window, cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r.Workers[0].Times.Slots[0].Slot = 4; r.Check(&shape) == nil {
		t.Error("slot 4 of 4 passes")
	}
	r.Workers[0].Times.Slots[0].Slot = 0
	slices.SortFunc(r.Workers, func(a, b Worker) int { return cmp.Compare(b.Index, a.Index) })
	if r.Workers[0].Index = 3; r.Check(&shape) == nil {
		t.Error("worker 3 of 3 passes")
	}
}

// One wrong slide number silences nobody: a job of one stream continues at once, one of
// several when the others have the majority.
func TestSlidesThatJumpBack(t *testing.T) {
	const wrong = 1 << 62
	for _, c := range []struct {
		why   string
		wrong []*Report
		want  uint64 // windows returned of slides 2 to 21, two slides each
	}{
		{"all subtasks jump, and are back with the next report", []*Report{whole(wrong)}, 10},
		{"one jumps after a silence", []*Report{report(wrong, 1, 0)}, 10},
		{"half of them jump", []*Report{report(wrong, 1, 0, 1)}, 10},
	} {
		a := NewAssembler(small, quick)
		now := time.Unix(1000, 0)
		for _, slide := range []uint64{0, 1} {
			if err := a.Add(now, whole(slide)); err != nil {
				t.Fatal(err)
			}
		}
		a.Next(now).Release()
		now = now.Add(2 * quick.Silence)
		for _, r := range c.wrong {
			if err := a.Add(now, r); err != nil {
				t.Fatal(err)
			}
		}
		got := uint64(0)
		for slide := uint64(2); slide < 22; slide++ {
			now = now.Add(small.Slide)
			if err := a.Add(now, whole(slide)); err != nil {
				t.Fatal(err)
			}
			for w := a.Next(now); w != nil; w = a.Next(now) {
				if w.Number < wrong/2 {
					got++
				}
				w.Release()
			}
		}
		if got != c.want || a.Counts().Jumps != 2 || a.Latest() != 21 {
			t.Errorf("%s: %d windows, want %d; %+v, latest slide %d", c.why, got, c.want, a.Counts(), a.Latest())
		}
	}
}

// whole is the report of all subtasks of small.
func whole(slide uint64) *Report {
	r := report(slide, 1, 0, 1)
	for p := range small.Partitioners {
		r.Partitioners = append(r.Partitioners, keys(p, slide, 0).Partitioners...)
	}
	return r
}

// A window keeps a bounded part of what workers time and realise, however much they report.
func TestListsAreBounded(t *testing.T) {
	s := Shape{Workers: 100, Partitioners: 1, Slots: 1 << 12, Slides: 1, Slide: time.Second}
	a := NewAssembler(s, quick)
	r := &Report{Partitioners: []Partitioner{{}}}
	for w := range s.Workers {
		of := Worker{Index: w}
		for i := range 2000 {
			of.Realised = append(of.Realised, Realised{Hash: uint64(i), Count: 1})
			of.Times.Keys = append(of.Times.Keys, policy.KeyTime{Hash: uint64(i), Records: 1, Total: 1})
			of.Times.Slots = append(of.Times.Slots, policy.SlotTime{Slot: int32(i), Records: 1, Total: 1})
		}
		of.Times.Records, of.Times.Total = 4000, 4000
		r.Workers = append(r.Workers, of)
	}
	if err := a.Add(time.Unix(0, 0), r); err != nil {
		t.Fatal(err)
	}
	w := a.Next(time.Unix(0, 0)).Window
	keys, slots := 0, 0
	for i := range w.Times {
		keys, slots = keys+len(w.Times[i].Keys), slots+len(w.Times[i].Slots)
	}
	for _, c := range []struct {
		what    string
		n, most int
	}{
		{"realised shares", len(w.Realised), mostRealised * s.KeyLimit()},
		{"times of keys", keys, mostTimedKeys * s.KeyLimit()},
		{"times of slots", slots, mostTimedSlots * s.Slots},
	} {
		if c.n < c.most/2 || c.n > c.most {
			t.Errorf("%d %s of 200000 are kept; %d may be", c.n, c.what, c.most)
		}
	}
}

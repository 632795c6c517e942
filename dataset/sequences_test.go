package dataset

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/policy"
)

func TestSequences(t *testing.T) {
	window := func(episode, step int, v int64) *policy.Window {
		return &policy.Window{Episode: episode, Step: step, Partitioner: "hash", Start: 2 * time.Second, End: 4500 * time.Millisecond,
			Counts: []int64{v, v + 1}, Units: []int64{2 * v, 3 * v}, Busy: []float64{0.25, 0.5}, Queue: []float64{0, 1}}
	}
	other := window(1, 2, 6)
	other.Partitioner, other.Units, other.RouteNew = "pkg", nil, true
	two := put(t, smallMeta, window(0, 0, 1), window(0, 1, 2), window(0, 3, 3), window(1, 0, 4), window(1, 1, 5), other)
	three := put(t, Meta{Workers: 3}, &policy.Window{Counts: []int64{7, 8, 9}, Busy: []float64{0, 0, 0}})

	var got []*Sequence
	for s, err := range Sequences(context.Background(), []string{two, three}, 1) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, s)
	}
	quarter := func(n int) []float32 { return slices.Repeat([]float32{0.25, 0.5}, n) }
	full := func(n int) []float32 { return slices.Repeat([]float32{0, 1}, n) }
	seconds := func(n int) []float32 { return slices.Repeat([]float32{2.5}, n) }
	want := []*Sequence{
		{File: two, Episode: 0, First: 0, Workers: 2, Windows: 2, Counts: []float32{1, 2, 2, 3}, Units: []float32{2, 3, 4, 6}, Busy: quarter(2), Queue: full(2), Mixed: []bool{false, false}, Seconds: seconds(2)},
		{File: two, Episode: 0, First: 3, Workers: 2, Windows: 1, Counts: []float32{3, 4}, Units: []float32{6, 9}, Busy: quarter(1), Queue: full(1), Mixed: []bool{false}, Seconds: seconds(1)},
		{File: two, Episode: 1, First: 0, Workers: 2, Windows: 2, Counts: []float32{4, 5, 5, 6}, Units: []float32{8, 12, 10, 15}, Busy: quarter(2), Queue: full(2), Mixed: []bool{false, false}, Seconds: seconds(2)},
		{File: two, Episode: 1, First: 2, Workers: 2, Windows: 1, Counts: []float32{6, 7}, Busy: quarter(1), Queue: full(1), Mixed: []bool{true}, Seconds: seconds(1)},
		{File: three, Workers: 3, Windows: 1, Counts: []float32{7, 8, 9}, Busy: []float32{0, 0, 0}, Mixed: []bool{false}, Seconds: []float32{0}},
	}
	if diff := cmp.Diff(want, got, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".partitioner" }, cmp.Ignore())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if row := got[0].Row(got[0].Counts, 1); !slices.Equal(row, []float32{2, 3}) {
		t.Errorf("window 1 has counts %v", row)
	}
	n := 0
	for s, err := range Sequences(context.Background(), []string{two, three}, 2) {
		if err != nil || s.Windows < 2 {
			t.Errorf("%d windows, %v", s.Windows, err)
		}
		n++
	}
	if n != 2 {
		t.Errorf("%d sequences of two windows, want 2", n)
	}
	for range Sequences(context.Background(), []string{two, filepath.Join(t.TempDir(), "none")}, 1) {
		break // whoever has enough does not learn of the file that is missing
	}
}

func TestSequenceRefusals(t *testing.T) {
	empty := put(t, smallMeta)
	blind := put(t, smallMeta, &policy.Window{Counts: []int64{1, 2}})
	none := filepath.Join(t.TempDir(), "none")
	for _, c := range []struct {
		why   string
		files []string
		want  []string
	}{
		{"nothing to read", nil, []string{"saspart collect"}},
		{"no windows", []string{empty}, []string{empty, "no windows"}},
		{"nothing of the workers", []string{blind}, []string{blind, "busy"}},
		{"no such file", []string{none}, []string{none}},
	} {
		var last error
		n := 0
		for _, err := range Sequences(context.Background(), c.files, 1) {
			last = err
			n++
		}
		if last == nil || n != 1 {
			t.Errorf("%s: %d answers, error %v", c.why, n, last)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(last.Error(), want) {
				t.Errorf("%s: the error does not say %q: %v", c.why, want, last)
			}
		}
		if c.files != nil && c.files[0] == none && !errors.Is(last, fs.ErrNotExist) {
			t.Errorf("%s: %v", c.why, last)
		}
	}
}

// TestSequencesKeepEveryWindow checks on random traces that each window is in exactly
// one sequence, in order.
func TestSequencesKeepEveryWindow(t *testing.T) {
	dir, n := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		workers := rapid.IntRange(1, 4).Draw(rt, "workers")
		windows := randomTrace(rt, workers)
		path := filepath.Join(dir, string(rune('a'+n%26))+time.Duration(n).String()+Ext)
		writeTrace(t, path, Meta{Workers: workers}, windows, true)
		var counts, want []float32
		for s, err := range Sequences(context.Background(), []string{path}, 1) {
			if err != nil {
				rt.Fatal(err)
			}
			if len(s.Counts) != s.Windows*workers || len(s.Busy) != len(s.Counts) || len(s.Mixed) != s.Windows {
				rt.Fatalf("%d windows of %d workers have %d counts", s.Windows, workers, len(s.Counts))
			}
			for i := range s.Windows {
				if w := windows[len(counts)/workers+i]; w.Episode != s.Episode || w.Step != s.First+i {
					rt.Fatalf("window %d of episode %d stands for step %d of episode %d", w.Step, w.Episode, s.First+i, s.Episode)
				}
			}
			counts = append(counts, s.Counts...)
		}
		for _, w := range windows {
			want = appendNarrow(want, w.Counts)
		}
		if !slices.Equal(counts, want) {
			rt.Fatalf("counts %v, want %v", counts, want)
		}
	})
}

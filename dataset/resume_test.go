package dataset

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saspart/saspart/policy"
)

func sameMeta(Meta) error { return nil }

// A trace that is resumed ends as one that was never interrupted, whenever it was left, and as
// often as it was.
func TestResume(t *testing.T) {
	windows := smallWindows(2*groupWindows + 10)
	undisturbed := imageOf(t, smallMeta, windows, true)
	for _, left := range []int{0, 1, groupWindows - 1, groupWindows, groupWindows + 1, 2 * groupWindows, len(windows)} {
		for _, closed := range []bool{true, false} { // interrupted, or killed
			path := filepath.Join(t.TempDir(), "x.arrow")
			imageOf(t, smallMeta, windows[:left], closed).put(t, path)
			// The second time it is left before it has measured all that the trace has.
			for _, until := range []int{left / 2, len(windows)} {
				w, err := Resume(path, sameMeta)
				if err != nil {
					t.Fatal(err)
				}
				if w.Kept() != int64(left) {
					t.Fatalf("%d windows are kept, of %d", w.Kept(), left)
				}
				for _, win := range windows[:until] {
					if err := w.Write(win); err != nil {
						t.Fatal(err)
					}
				}
				if until < len(windows) {
					if got, _, err := readTrace(path); err != nil || len(got) != left {
						t.Fatalf("while it is resumed, the trace has %d windows of %d: %v", len(got), left, err)
					}
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
			}
			got, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(got, undisturbed.main) {
				t.Errorf("left after %d windows, closed %v: the resumed trace has other bytes, %v", left, closed, err)
			}
			if files, err := filepath.Glob(path + "?*"); err != nil || len(files) > 0 {
				t.Errorf("left beside the trace: %v, %v", files, err)
			}
		}
	}
}

func TestResumeRefuses(t *testing.T) {
	windows := smallWindows(5)
	other := *windows[3]
	other.Records++
	for _, c := range []struct {
		why  string
		same func(Meta) error
		give []*policy.Window
		want string
	}{
		{"a run of another kind", func(Meta) error { return errors.New("another seed") }, nil, "another seed"},
		{"a window that differs", sameMeta, []*policy.Window{windows[0], windows[1], windows[2], &other}, "window 3: the run measures another window"},
	} {
		path := filepath.Join(t.TempDir(), "x.arrow")
		imageOf(t, smallMeta, windows, false).put(t, path)
		w, err := Resume(path, c.same)
		if err == nil {
			for _, win := range c.give {
				if err = w.Write(win); err != nil {
					break
				}
			}
			if closing := w.Close(); closing != nil {
				t.Fatal(closing)
			}
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", c.why, err)
		}
		if got, _, err := readTrace(path); err != nil || sameWindows(got, windows) != "" {
			t.Errorf("%s: the trace has %d windows, %v", c.why, len(got), err)
		}
	}
}

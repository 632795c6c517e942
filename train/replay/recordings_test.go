package replay

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/saspart/saspart/policy"
)

// window is a window of two workers.
func window(step int, n int64) *policy.Window {
	return &policy.Window{
		Step: step, Counts: []int64{n, 2 * n}, Busy: []float64{0.5, float64(n%7) / 10}, Queue: []float64{0, 0.25},
		Start: time.Duration(step) * time.Second, End: time.Duration(step+1) * time.Second, RouteNew: step%5 == 0,
	}
}

// TestRecordings: segments of each job are in order, the oldest windows are dropped, and
// reading returns what was written.
func TestRecordings(t *testing.T) {
	const capacity = 700
	r := NewRecordings(capacity, 2, policy.DefaultP0)
	for step := range 600 {
		for job := range 2 {
			if err := r.Add(job, window(step, int64(10*step+job))); err != nil {
				t.Fatal(err)
			}
		}
		if n := r.Windows(); n > capacity+2*segmentWindows || step > 500 && n < capacity-2*segmentWindows {
			t.Fatalf("%d windows remembered after %d of each job", n, step+1)
		}
	}
	if r.Longest() != segmentWindows {
		t.Errorf("the longest segment has %d windows", r.Longest())
	}
	for _, s := range r.segments {
		raw := s.recording.Raw
		for i := 1; i < raw.Windows; i++ {
			if raw.Counts[2*i] != raw.Counts[2*i-2]+10 || int(raw.Counts[2*i])%10 != s.job {
				t.Fatalf("job %d: %v records follow %v", s.job, raw.Counts[2*i], raw.Counts[2*i-2])
			}
		}
	}
	var w bytes.Buffer
	if err := r.Write(&w); err != nil {
		t.Fatal(err)
	}
	data := w.Bytes()
	again, err := ReadRecordings(data, capacity, 2, policy.DefaultP0)
	if err != nil {
		t.Fatal(err)
	}
	draw := func(r *Recordings) (places []int) {
		rng := rand.New(rand.NewPCG(1, 1))
		for range 20 {
			batch, err := r.Sample(rng, 16, func(int) int { return 3 })
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range batch {
				places = append(places, s.From, int(s.Recording.Raw.Counts[0]))
			}
		}
		return places
	}
	if !slices.Equal(draw(r), draw(again)) || again.Windows() != r.Windows() {
		t.Error("what was read draws other stretches")
	}
	before := len(again.segments)
	again.Cut(0)
	if err := again.Add(0, window(0, 1)); err != nil || len(again.segments) != before+1 {
		t.Errorf("after a cut a window goes on with an old segment: %v", err)
	}
	if err := again.Add(1, window(600, 6001)); err != nil || len(again.segments) != before+1 {
		t.Errorf("a job's segment ends with another job's: %v", err)
	}
	for why, bad := range map[string][]byte{"cut off": data[:len(data)/2], "none": nil} {
		if _, err := ReadRecordings(bad, capacity, 2, policy.DefaultP0); err == nil {
			t.Errorf("a file that is %s was read", why)
		}
	}
	if _, err := ReadRecordings(data, capacity, 3, policy.DefaultP0); err == nil || !strings.Contains(err.Error(), "use the configuration") {
		t.Errorf("a file of two workers was read for three: %v", err)
	}
	if err := again.Add(0, &policy.Window{Counts: make([]int64, 3), Busy: make([]float64, 3)}); err == nil {
		t.Error("a window of another job was remembered")
	}
}

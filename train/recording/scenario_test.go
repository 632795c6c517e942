package recording

import (
	"math"
	"strings"
	"testing"

	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/policy/scenario"
)

// recordedFrom is what a job in a scenario without noise records under uneven shares.
func recordedFrom(s *scenario.Scenario) *dataset.Sequence {
	q := &dataset.Sequence{File: "x.arrow", Workers: s.Workers, Windows: s.Windows}
	share, busy := make([]float64, s.Workers), make([]float64, s.Workers)
	for t := range s.Windows {
		for w := range share {
			share[w] = float64(1+(w+t)%3) / 6
		}
		s.Busy(t, share, busy)
		for w := range share {
			q.Counts = append(q.Counts, float32(1e6*share[w]))
			q.Busy = append(q.Busy, float32(busy[w]))
		}
	}
	return q
}

func TestRecordedScenarioIsTheOneRecorded(t *testing.T) {
	c := scenario.Default()
	c.Windows, c.Noise, c.Utilisation = 20, [2]float64{0, 0}, [2]float64{0.2, 0.2}
	want := scenario.New(c, 3, 5)
	q := recordedFrom(want)
	got, err := Scenario(q, 4, 10, 2)
	if err != nil {
		t.Fatal(err)
	}
	if got.Workers != 3 || got.Windows != 10 || got.Delay != 2 || math.Abs(got.Utilisation-0.2) > 1e-5 {
		t.Errorf("got %d workers, %d windows, delay %d, utilisation %v", got.Workers, got.Windows, got.Delay, got.Utilisation)
	}
	for at := range 10 {
		for w, v := range got.SpeedsAt(at) {
			if math.Abs(v-want.SpeedsAt(at + 4)[w]) > 1e-5 {
				t.Fatalf("window %d, worker %d: speed %v, it was %v", at, w, v, want.SpeedsAt(at + 4)[w])
			}
		}
	}
}

func TestRecordedScenarioWithGaps(t *testing.T) {
	nan := float32(math.NaN())
	q := &dataset.Sequence{
		File: "x.arrow", Workers: 2, Windows: 3, First: 7,
		Counts: []float32{10, 30, 10, 30, 0, 0}, Busy: []float32{0.5, 0.5, nan, 0.5, 0, nan},
	}
	r, err := Scenario(q, 0, 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	// The second window has the second worker alone, which is taken for the mean.
	for i, want := range []float64{0.5, 1.5, 2. / 3, 4. / 3} {
		if math.Abs(r.Speeds[i]-want) > 1e-6 {
			t.Errorf("speeds are %v", r.Speeds)
			break
		}
	}
	for _, c := range []struct {
		from, windows int
		says          string
	}{{0, 3, "step 9"}, {2, 2, "windows 2 to 4"}, {-1, 2, "windows -1"}, {0, 0, "windows 0 to 0"}} {
		if _, err := Scenario(q, c.from, c.windows, 0); err == nil || !strings.Contains(err.Error(), "x.arrow") || !strings.Contains(err.Error(), c.says) {
			t.Errorf("from %d, %d windows: %v", c.from, c.windows, err)
		}
	}
}

package setup

import (
	"context"
	"io"
	"testing"

	"github.com/saspart/saspart/policy"
)

// numbered is a job of so many windows, which say their number.
type numbered struct{ given, ends int }

func (j *numbered) Next(context.Context) (*policy.Window, error) {
	if j.given == j.ends {
		return nil, io.EOF
	}
	j.given++
	return &policy.Window{Step: j.given, Busy: []float64{0.5}}, nil
}

func (*numbered) Apply(policy.Decision) error { return nil }
func (*numbered) Close() error                { return nil }

// A training on a job with late metrics learns from late windows, and waits for the
// first.
func TestBlurredJob(t *testing.T) {
	j := &blurred{&numbered{ends: 4}, policy.NewBlur(policy.BlurConfig{Noise: 0.1, Delay: 2}, 1)}
	for want := 1; want <= 2; want++ {
		w, err := j.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if w.Step != want || w.Busy[0] == 0.5 {
			t.Errorf("window %d, busy %v; want window %d, with noise", w.Step, w.Busy[0], want)
		}
	}
	if _, err := j.Next(t.Context()); err != io.EOF {
		t.Errorf("after the job's end: %v", err)
	}
}

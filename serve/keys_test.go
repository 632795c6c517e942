package serve_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/policy/network"
	"github.com/saspart/saspart/serve"
	"github.com/saspart/saspart/serve/client"
)

// sharesOf is a shares policy for P workers that has learned nothing, and says that it
// was trained on keys of the given parts of the records.
func sharesOf(workers uint16, trained []float64) *checkpoint.Checkpoint {
	all := make([]uint16, workers)
	for w := range all {
		all[w] = uint16(w)
	}
	p := int(workers)
	zeros := func(name string, shape ...int) network.Tensor {
		n := 1
		for _, d := range shape {
			n *= d
		}
		return network.Tensor{Name: name, Shape: shape, Data: make([]float32, n)}
	}
	return &checkpoint.Checkpoint{
		Format: checkpoint.Format, Kind: checkpoint.KindShares, CreatedBy: "test",
		Shares:  &checkpoint.SharesSpec{Workers: p, Mask: [][]uint16{all}, HotKeys: 4, Hidden: []int{4}, KeyShares: trained},
		Tensors: []network.Tensor{zeros("0.weight", 1, 2*p, 4), zeros("0.bias", 1, 4), zeros("1.weight", 1, 4, 2*p), zeros("1.bias", 1, 2*p)},
	}
}

// exposed is what the server's metrics page says.
func exposed(t *testing.T, s *running) string {
	t.Helper()
	h, err := s.Handler(nil, false)
	if err != nil {
		t.Fatal(err)
	}
	page := httptest.NewRecorder()
	h.ServeHTTP(page, httptest.NewRequestWithContext(context.Background(), "GET", "/metrics", nil))
	return page.Body.String()
}

// A job gets analytic routes, and a notice, while its keys are far from those that the
// shares policy was trained on. That includes the first window.
func TestJobOfOtherKeys(t *testing.T) {
	usual, flat := newToy(4).hot, []float64{0.05, 0.04, 0.03, 0.02}
	config := serve.Default()
	config.MaxExcess = 0 // the policy has learned nothing
	s := start(t, "", config, serve.Options{Model: serve.CheckpointModel("mine", sharesOf(4, usual[:4]), learned.Default())})
	drive := func(j *toy, c *client.Client, hot []float64, windows int) client.Status {
		t.Helper()
		controller := c.Controller(5 * time.Second)
		j.hot, j.last = hot, nil
		for range windows {
			j.follow(controller.Decide(j.window(), j.route).Route)
		}
		return c.Status()
	}
	j := newToy(4)
	c := j.attach(t, s.address, "drifting", nil)
	attached(t, c)
	for _, phase := range []struct {
		why    string
		hot    []float64
		reason string
	}{
		{"its keys are the policy's", usual, ""},
		{"no key is as heavy any more", flat, "the heaviest of which was 30 % of the records, where the job's is 5 %"},
		{"they are as they were", usual, ""},
	} {
		got := drive(j, c, phase.hot, 40)
		if got.Model != "mine" || (got.Reason == "") != (phase.reason == "") || !strings.Contains(got.Reason, phase.reason) {
			t.Errorf("%s: model %q, reason %q, want one with %q", phase.why, got.Model, got.Reason, phase.reason)
		}
	}
	text := exposed(t, s)
	for want, there := range map[string]bool{
		`saspart_fallbacks_total{reason="workers",stream_job="drifting"} 0`: true,
		`saspart_fallbacks_total{reason="keys",stream_job="drifting"} 0`:    false,
		`saspart_key_distance{stream_job="drifting"} `:                      true,
	} {
		if strings.Contains(text, want) != there {
			t.Errorf("metrics with %q: %v, want %v", want, !there, there)
		}
	}

	other := newToy(4)
	c = other.attach(t, s.address, "other", nil)
	attached(t, c)
	if got := drive(other, c, flat, 3); got.Reason == "" {
		t.Errorf("a job of other keys is not told: %+v", got)
	}
	if text := exposed(t, s); !strings.Contains(text, `saspart_fallbacks_total{reason="keys",stream_job="other"} 3`) {
		t.Errorf("the first windows of a job of other keys are not analytic:\n%s", text)
	}
}

// Jobs stay with the policy where keys do not matter.
func TestJobOfAnyKeys(t *testing.T) {
	config := serve.Default()
	config.MaxExcess = 0 // the policies have learned nothing
	unlimited := config
	unlimited.KeyDistance = 0
	far := []float64{0.9, 0.05, 0.01, 0.01}
	for _, tc := range []struct {
		why    string
		config serve.Config
		policy *checkpoint.Checkpoint
	}{
		{"any distance is allowed", unlimited, sharesOf(4, far)},
		{"the checkpoint does not tell what it was trained on", config, sharesOf(4, nil)},
		{"a capacity policy takes keys as they come", config, checkpoint.UntrainedCapacity(4, 1)},
	} {
		s := start(t, "", tc.config, serve.Options{Model: serve.CheckpointModel("mine", tc.policy, learned.Default())})
		j := newToy(4)
		c := j.attach(t, s.address, "toy", nil)
		attached(t, c)
		controller := c.Controller(5 * time.Second)
		for range 12 {
			j.follow(controller.Decide(j.window(), j.route).Route)
		}
		if got := c.Status(); got.Reason != "" || got.Answers != 12 {
			t.Errorf("%s: status %+v", tc.why, got)
		}
		if text := exposed(t, s); strings.Contains(text, "saspart_key_distance{") || !strings.Contains(text, `saspart_fallbacks_total{reason="keys",stream_job="toy"} 0`) {
			t.Errorf("%s: metrics\n%s", tc.why, text)
		}
	}
}

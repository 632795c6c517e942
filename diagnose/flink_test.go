package diagnose

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/saspart/saspart/engine/flink/rest"
)

func TestOperator(t *testing.T) {
	spread := func(mean, most float64) rest.Spread { return rest.Spread{Mean: mean, Max: most} }
	nan := math.NaN()
	for _, c := range []struct {
		why  string
		load rest.Load
		held float64
		want []string // in the advice; none: there is none
	}{
		{"skewed keys", rest.Load{Parallelism: 8, Keyed: true, Rates: spread(700, 2400), Busy: spread(0.25, 0.88)}, 0.25 / 0.88, []string{"88 %", "28 % of what", "3.4 times", "keys are skewed"}},
		{"skewed keys, hardly busy", rest.Load{Parallelism: 8, Keyed: true, Rates: spread(700, 2400), Busy: spread(0.02, 0.06)}, 1.0 / 3, []string{"only 6 %", "at higher rates", "keys are skewed"}},
		{"equal records, unequal work", rest.Load{Parallelism: 8, Keyed: true, Rates: spread(700, 710), Busy: spread(0.4, 0.9)}, 0.4 / 0.9, []string{"dearer"}},
		{"not by key", rest.Load{Parallelism: 4, Rates: spread(10, 40), Busy: spread(0.3, 0.9)}, 1.0 / 3, []string{"not partitioned by key"}},
		{"even", rest.Load{Parallelism: 8, Keyed: true, Rates: spread(700, 740), Busy: spread(0.8, 0.85)}, 0.8 / 0.85, nil},
		{"one subtask", rest.Load{Parallelism: 1, Keyed: true, Rates: spread(700, 700), Busy: spread(1, 1)}, 1, nil},
		{"idle", rest.Load{Parallelism: 8, Keyed: true, Rates: spread(0, 0), Busy: spread(0, 0)}, 1, nil},
		{"unknown", rest.Load{Parallelism: 8, Keyed: true, Rates: spread(nan, nan), Busy: spread(nan, nan)}, 1, nil},
	} {
		u := Operator(c.load)
		if math.Abs(u.Held-c.held) > 1e-9 || (u.Advice == "") != (c.want == nil) {
			t.Errorf("%s: %+v", c.why, u)
		}
		for _, want := range c.want {
			if !strings.Contains(u.Advice, want) {
				t.Errorf("%s: no %q in %q", c.why, want, u.Advice)
			}
		}
		if _, err := json.Marshal(u); err != nil {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}

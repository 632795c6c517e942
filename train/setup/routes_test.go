package setup

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/saspart/saspart/train/online"
)

// The report shows where the policy put the hot keys at first, and where at last.
func TestRoutesBeforeAndAfter(t *testing.T) {
	at := func(share float64) online.RouteMap {
		return online.RouteMap{Keys: []string{"a"}, Loads: []float64{0.5}, Shares: [][]float64{{share, 1 - share}}}
	}
	f := RouteFile(filepath.Join(t.TempDir(), "routes.json"))
	for _, share := range []float64{0.1, 0.2, 0.3} {
		if err := f.Evaluated(online.Evaluation{}, at(share)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(string(f))
	if err != nil {
		t.Fatal(err)
	}
	var got routes
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Before, at(0.1)) || got.After == nil || !reflect.DeepEqual(*got.After, at(0.3)) {
		t.Errorf("before %+v, after %+v", got.Before, got.After)
	}
}

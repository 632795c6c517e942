package table_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/routertest"
	"github.com/saspart/saspart/partition/registry"
	"github.com/saspart/saspart/partition/table"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
)

func saspartitioner(checkpoint string) registry.Config {
	c := registry.Default()
	c.Name, c.SaSPartitioner.Checkpoint = "saspartitioner", checkpoint
	return c
}

func TestSaSPartitionerLoadsItsCheckpoint(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "best")
	if err := checkpoint.Save(dir, checkpoint.UntrainedCapacity(4, 7)); err != nil {
		t.Fatal(err)
	}
	for _, checkpoint := range []string{dir, table.Untrained} {
		s, err := registry.New(saspartitioner(checkpoint), 5)
		if err != nil {
			t.Fatal(err)
		}
		w := &policy.Window{Records: 3000, Counts: []int64{600, 600, 600, 600, 600}, Busy: []float64{0.2, 0.4, 0.4, 0.4, 0.8}}
		r := s.Controller.Decide(w, policy.HashRoute(5)).Route
		if r == nil || r.Validate() != nil || r.Workers != 5 {
			t.Fatalf("%s: the first route is %v", checkpoint, r)
		}
		slots := make([]int, 5)
		for _, at := range r.Slots {
			slots[at]++
		}
		if !(slots[0] > slots[1] && slots[1] > slots[4]) {
			t.Errorf("%s: the fast worker has %d slots, a middling one %d, the slow one %d", checkpoint, slots[0], slots[1], slots[4])
		}
		s.NewRouter(routertest.Env(5)).(partition.RouteFollower).Follow(r, 1)
	}
}

func TestSaSPartitionerRefuses(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for _, c := range []struct{ why, checkpoint, says string }{
		{"no checkpoint", "", "saspartitioner.checkpoint: is empty"},
		{"a folder that is not there", missing, missing},
	} {
		if _, err := registry.New(saspartitioner(c.checkpoint), 5); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}

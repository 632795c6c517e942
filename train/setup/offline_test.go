package setup

import (
	"path/filepath"
	"testing"

	"github.com/saspart/saspart/policy/checkpoint"
)

// TestOfflineStart: a training from traces starts from scratch, from the built-in policy
// or from a folder.
func TestOfflineStart(t *testing.T) {
	start := func(name string) (*checkpoint.Checkpoint, error) {
		return (&Offline{Action: checkpoint.KindCapacity, Checkpoint: name}).start()
	}
	if c, err := start(""); c != nil || err != nil {
		t.Errorf("from scratch: %v, %v", c, err)
	}
	c, err := start(checkpoint.BuiltinName)
	if err != nil || c.Kind != checkpoint.KindCapacity {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := checkpoint.Save(filepath.Join(dir, "a"), c); err != nil {
		t.Fatal(err)
	}
	if got, err := start(filepath.Join(dir, "a")); err != nil || got.Digest == "" {
		t.Errorf("a folder: %v", err)
	}
	if _, err := start(filepath.Join(dir, "b")); err == nil {
		t.Error("a folder that does not exist was accepted")
	}
}

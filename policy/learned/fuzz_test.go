package learned

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/saspart/saspart/internal/memtest"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
)

// filesOf are the two files of a checkpoint.
func filesOf(t testing.TB, c *checkpoint.Checkpoint) (manifest, tensors []byte) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "c")
	if err := checkpoint.Save(dir, c); err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	if tensors, err = os.ReadFile(filepath.Join(dir, "policy.safetensors")); err != nil {
		t.Fatal(err)
	}
	return manifest, tensors
}

// withDigest is a manifest that names the tensors' digest, if it is JSON at all.
func withDigest(manifest, tensors []byte) []byte {
	var all map[string]any
	if json.Unmarshal(manifest, &all) != nil || all == nil {
		return manifest
	}
	sum := sha256.Sum256(tensors)
	all["policy_sha256"] = hex.EncodeToString(sum[:])
	out, err := json.Marshal(all)
	if err != nil {
		return manifest
	}
	return out
}

// Whatever the two files hold, the answer is a network that works, or an error.
func FuzzCheckpoint(f *testing.F) {
	for _, c := range []*checkpoint.Checkpoint{sharesPolicy(), checkpoint.UntrainedCapacity(2, 1)} {
		manifest, tensors := filesOf(f, c)
		f.Add(manifest, tensors)
		f.Add(manifest, tensors[:len(tensors)-1])
	}
	f.Add([]byte(`{"format":1,"kind":"capacity","capacity":{"inputs":["busy"],"units":1}}`), []byte("\x02\x00\x00\x00\x00\x00\x00\x00{}"))
	f.Add([]byte(`{"format":1,"kind":"shares","shares":{"workers":1,"mask":[[0]],"hot_keys":1,"hidden":[1]}}`), []byte{})
	f.Fuzz(func(t *testing.T, manifest, tensors []byte) {
		defer memtest.Limit(t, 64<<20)()
		// The digest is made to match: digests have a test of their own.
		c, err := checkpoint.Read(fstest.MapFS{
			"manifest.json": {Data: withDigest(manifest, tensors)}, "policy.safetensors": {Data: tensors},
		})
		if err != nil {
			return
		}
		workers := 2
		if c.Kind == checkpoint.KindShares {
			workers = c.Shares.Workers
		}
		controller, err := New(c, Default(), workers)
		if err != nil {
			t.Fatalf("it loads but does not run: %v", err)
		}
		w := &policy.Window{
			Counts: make([]int64, workers), Busy: make([]float64, workers), Records: 100,
			Hot: []policy.HotKey{{Name: "a", Hash: 1, Count: 50}, {Name: "b", Hash: 1 << 63, Count: 20}},
		}
		for i := range w.Busy {
			w.Counts[i], w.Busy[i] = int64(100+i), 0.5
		}
		if r := controller.Decide(w, policy.HashRoute(workers)).Route; r != nil {
			if err := r.Validate(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

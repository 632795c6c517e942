package checkpoint

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
)

// A checkpoint of which any bit is flipped is refused, or is the same: manifest and
// normalisation are covered as the tensors are.
func TestFlippedBits(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "c")
	c := sharesCheckpoint()
	c.Normalisation = &Normalisation{Mean: make([]float32, 6), Scale: []float32{1, 2, 3, 4, 5, 6}}
	if err := Save(dir, c); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, name := range []string{manifestFile, policyFile} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = data
	}
	want, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	flips := 20_000
	if testing.Short() {
		flips = 2_000
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range flips {
		name := []string{manifestFile, policyFile}[rng.IntN(2)]
		data := append([]byte(nil), files[name]...)
		bit := rng.IntN(8 * len(data))
		data[bit/8] ^= 1 << (bit % 8)
		fsys := fstest.MapFS{manifestFile: {Data: files[manifestFile]}, policyFile: {Data: files[policyFile]}}
		fsys[name] = &fstest.MapFile{Data: data}
		got, err := Read(fsys)
		if err != nil {
			continue
		}
		sum, err := got.whole()
		if err != nil || sum != want.Whole {
			t.Fatalf("%s: bit %d of byte %d is flipped, and the checkpoint is another one", name, bit%8, bit/8)
		}
	}
}

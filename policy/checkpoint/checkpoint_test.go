package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/internal/toy"
	"github.com/saspart/saspart/policy/network"
)

var update = flag.Bool("update", false, "rewrite golden files")

// sharesCheckpoint is a small one with everything in it.
func sharesCheckpoint() *Checkpoint {
	rng := rand.New(rand.NewPCG(5, 5))
	return &Checkpoint{
		Format: Format, Kind: KindShares, CreatedBy: "saspart test", Parent: "runs/before",
		Shares: &SharesSpec{
			Workers: 3, Mask: [][]uint16{{0, 1, 2}, {1}}, HotKeys: 4, KeyShares: []float64{0.4, 0.2, 0.1, 0.05}, Hidden: []int{5},
		},
		Normalisation: &Normalisation{Mean: toy.Normals(rng, 6), Scale: toy.Normals(rng, 6)},
		Metrics:       map[string]float64{"imbalance": 0.03}, Configuration: "workers: 3\n",
		Tensors: toy.MLPTensors(rng, 6, 4, 5),
	}
}

// byName is tensors in no order.
func byName(tensors []network.Tensor) map[string]network.Tensor {
	out := map[string]network.Tensor{}
	for _, t := range tensors {
		out[t.Name] = t
	}
	return out
}

func sameCheckpoint(t *testing.T, want, got *Checkpoint) {
	t.Helper()
	a, b := *want, *got
	a.Tensors, b.Tensors = nil, nil
	if d := cmp.Diff(a, b); d != "" {
		t.Errorf("manifest:\n%s", d)
	}
	if d := cmp.Diff(byName(want.Tensors), byName(got.Tensors)); d != "" {
		t.Errorf("tensors:\n%s", d)
	}
}

func TestCheckpointRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs", "best") // neither is there yet
	for _, c := range []*Checkpoint{sharesCheckpoint(), UntrainedCapacity(4, 1), sharesCheckpoint()} {
		wrote := ""
		extra := func(folder string) error {
			wrote = folder
			return os.WriteFile(filepath.Join(folder, "trainer.safetensors"), []byte(c.Kind), 0o644)
		}
		if err := Save(dir, c, extra); err != nil {
			t.Fatal(err)
		}
		got, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		sameCheckpoint(t, c, got)
		if data, err := os.ReadFile(filepath.Join(dir, "trainer.safetensors")); err != nil || string(data) != string(c.Kind) {
			t.Errorf("what else was written: %q, %v", data, err)
		}
		if entries, err := os.ReadDir(filepath.Dir(wrote)); err != nil || len(entries) != 1 {
			t.Errorf("beside the checkpoint there is %v, %v", entries, err)
		}
	}
}

// A published observation is not written, as older versions do not know of others.
func TestObservationInManifest(t *testing.T) {
	for form, written := range map[policy.ObservationForm]bool{"": false, policy.PublishedObservation: false, policy.AdaptiveObservation: true} {
		c := sharesCheckpoint()
		c.Shares.Observation, c.Normalisation = form, nil
		o := c.Shares.Observes()
		c.Tensors = toy.MLPTensors(rand.New(rand.NewPCG(5, 5)), o.Size(), o.Mask.Pairs(), 5)
		manifest, _ := saved(t, c)
		if bytes.Contains(manifest, []byte(`"observation"`)) != written {
			t.Errorf("%q: the manifest is\n%s", form, manifest)
		}
	}
}

// The same checkpoint is the same bytes.
func TestCheckpointIsDeterministic(t *testing.T) {
	var files [2]map[string]string
	for i := range files {
		dir := filepath.Join(t.TempDir(), "x")
		if err := Save(dir, sharesCheckpoint()); err != nil {
			t.Fatal(err)
		}
		files[i] = map[string]string{}
		for _, name := range []string{manifestFile, policyFile} {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			files[i][name] = string(data)
		}
	}
	if !maps.Equal(files[0], files[1]) {
		t.Error("two saves differ")
	}
}

// A checkpoint of format 1 as it was once written stays readable.
func TestCheckpointGolden(t *testing.T) {
	dir := filepath.Join("testdata", "checkpoint-1")
	if *update {
		if err := Save(dir, sharesCheckpoint()); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := sharesCheckpoint()
	want.Digest = got.Digest
	sameCheckpoint(t, want, got)
}

// After a crash or an error during writing, the previous checkpoint is intact, and the next
// call removes all remains.
func TestCheckpointSurvivesInterruption(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "best")
	if err := Save(dir, sharesCheckpoint()); err != nil {
		t.Fatal(err)
	}
	full := errors.New("no space left")
	func() {
		defer func() { _ = recover() }()
		_ = Save(dir, UntrainedCapacity(4, 1), func(string) error { panic("killed") })
	}()
	check := func(kind Kind) {
		t.Helper()
		if c, err := Load(dir); err != nil || c.Kind != kind {
			t.Errorf("there is %v, %v", c, err)
		}
	}
	check(KindShares)
	if err := Save(dir, UntrainedCapacity(4, 1), func(string) error { return full }); !errors.Is(err, full) {
		t.Errorf("the error is %v", err)
	}
	check(KindShares)
	if err := Save(dir, UntrainedCapacity(4, 1)); err != nil {
		t.Fatal(err)
	}
	check(KindCapacity)
	if entries, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// Whatever else is in a folder is not thrown away.
func TestCheckpointNeverReplacesOtherThings(t *testing.T) {
	dir := t.TempDir()
	thesis := filepath.Join(dir, "thesis.tex")
	if err := os.WriteFile(thesis, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Save(dir, sharesCheckpoint()); err == nil || !strings.Contains(err.Error(), "no checkpoint") {
		t.Errorf("it says %v", err)
	}
	if data, err := os.ReadFile(thesis); err != nil || string(data) != "precious" {
		t.Errorf("the other file is %q, %v", data, err)
	}
	if err := Save(filepath.Join(thesis, "x"), sharesCheckpoint()); err == nil {
		t.Error("it saves below a file")
	}
}

// saved is a checkpoint's files.
func saved(t testing.TB, c *Checkpoint) (manifest, tensors []byte) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "x")
	if err := Save(dir, c); err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		t.Fatal(err)
	}
	tensors, err = os.ReadFile(filepath.Join(dir, policyFile))
	if err != nil {
		t.Fatal(err)
	}
	return manifest, tensors
}

func TestLoadCheckpointRefuses(t *testing.T) {
	manifest, tensors := saved(t, sharesCheckpoint())
	edit := func(change func(m map[string]any)) []byte {
		m := map[string]any{}
		if err := json.Unmarshal(manifest, &m); err != nil {
			t.Fatal(err)
		}
		change(m)
		data, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	shares := func(m map[string]any) map[string]any { return m["shares"].(map[string]any) }
	redo := func(change func(c *Checkpoint)) []byte { // tensors that the manifest does not describe
		c := sharesCheckpoint()
		change(c)
		var b bytes.Buffer
		if err := WriteTensors(&b, c.Tensors); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	flipped := bytes.Clone(tensors)
	flipped[len(flipped)-1] ^= 1
	for _, c := range []struct {
		why               string
		manifest, tensors []byte
		file, says        string
	}{
		{"no manifest", nil, tensors, manifestFile, "not exist"},
		{"an empty manifest", []byte{}, tensors, manifestFile, "unexpected end"},
		{"a truncated manifest", manifest[:len(manifest)/2], tensors, manifestFile, "unexpected end"},
		{"garbage", []byte("\x00\x01PK"), tensors, manifestFile, "invalid character"},
		{"another program's JSON", []byte(`{"name": "left-pad"}`), tensors, manifestFile, "format: is missing"},
		{"a later format, whatever else is in it", []byte(`{"format": 7, "created_by": "saspart 9", "planets": {}}`), tensors, manifestFile, `is 7, made by "saspart 9"; this version reads 1`},
		{"an unknown name", edit(func(m map[string]any) { m["spede"] = 1 }), tensors, manifestFile, `"spede"`},
		{"something after it", append(bytes.Clone(manifest), '{', '}'), tensors, manifestFile, "after top-level value"},
		{"another kind", edit(func(m map[string]any) { m["kind"] = "magic" }), tensors, manifestFile, `kind: is "magic"`},
		{"a kind that it does not describe", edit(func(m map[string]any) { m["kind"] = "capacity" }), tensors, manifestFile, "capacity must be there"},
		{"no workers", edit(func(m map[string]any) { shares(m)["workers"] = 0 }), tensors, manifestFile, "shares.workers: is 0"},
		{"a mask beyond the workers", edit(func(m map[string]any) { shares(m)["workers"] = 2 }), tensors, manifestFile, "shares.mask[0]: is [0 1 2]"},
		{"a key without workers", edit(func(m map[string]any) { shares(m)["mask"] = [][]int{{0}, {}} }), tensors, manifestFile, "shares.mask[1]: is empty"},
		{"fewer hot keys than the mask", edit(func(m map[string]any) { shares(m)["hot_keys"] = 1 }), tensors, manifestFile, "shares.hot_keys: is 1"},
		{"a network too large for any memory", edit(func(m map[string]any) { shares(m)["hidden"] = []int{16384, 16384, 16384} }), tensors, manifestFile, "parameters"},
		{"an unknown observation", edit(func(m map[string]any) { shares(m)["observation"] = "adaptiv" }), tensors, manifestFile, `shares.observation: is "adaptiv"`},
		{"an adaptive one of keys with unknown loads", edit(func(m map[string]any) { shares(m)["observation"], shares(m)["key_shares"] = "adaptive", []float64{0.4} }), tensors, manifestFile, "needs the 2 of the mask"},
		{"an adaptive one, which has more inputs", edit(func(m map[string]any) { shares(m)["observation"] = "adaptive" }), tensors, manifestFile, "6 means and 6 scales for 14 inputs"},
		{"a normalisation of other inputs", edit(func(m map[string]any) { shares(m)["workers"] = 4 }), tensors, manifestFile, "6 means and 6 scales for 8 inputs"},
		{"no tensors", manifest, nil, policyFile, "not exist"},
		{"truncated tensors", manifest, tensors[:len(tensors)-5], policyFile, "damaged"},
		{"one bit flipped", manifest, flipped, policyFile, "damaged"},
		{"more than the network can need", manifest, make([]byte, mostHeader+10000), policyFile, "larger than"},
	} {
		fsys := fstest.MapFS{}
		if c.manifest != nil {
			fsys[manifestFile] = &fstest.MapFile{Data: c.manifest}
		}
		if c.tensors != nil {
			fsys[policyFile] = &fstest.MapFile{Data: c.tensors}
		}
		_, err := Read(fsys)
		if err == nil || !strings.Contains(err.Error(), c.file) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %s and %q", c.why, err, c.file, c.says)
		}
	}
	for _, c := range []struct {
		why     string
		tensors []byte
		says    string
	}{
		{"no safetensors file", []byte("garbage, and enough of it"), "no safetensors"},
		{"a wide network", redo(func(c *Checkpoint) { c.Tensors = toy.MLPTensors(rand.New(rand.NewPCG(1, 1)), 6, 4, 6) }), "shape"},
		{"another layer", redo(func(c *Checkpoint) { c.Tensors = toy.MLPTensors(rand.New(rand.NewPCG(1, 1)), 6, 4, 5, 5) }), "6 tensors for 1 hidden"},
		{"a number that is none", redo(func(c *Checkpoint) { c.Tensors[0].Data[3] = float32(math.NaN()) }), "NaN"},
	} {
		m := edit(func(m map[string]any) { m["policy_sha256"] = digest(c.tensors); delete(m, "sha256") })
		_, err := Read(fstest.MapFS{manifestFile: {Data: m}, policyFile: {Data: c.tensors}})
		if err == nil || !strings.Contains(err.Error(), policyFile) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.why, err, c.says)
		}
	}
	dir := filepath.Join(t.TempDir(), "nowhere")
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func TestSaveCheckpointRefuses(t *testing.T) {
	for why, change := range map[string]func(c *Checkpoint){
		"a metric that is no number": func(c *Checkpoint) { c.Metrics["reward"] = math.Inf(1) },
		"a network not described":    func(c *Checkpoint) { c.Shares.Hidden = []int{7} },
		"a weight that is no number": func(c *Checkpoint) { c.Tensors[0].Data[0] = float32(math.NaN()) },
		"a tensor twice":             func(c *Checkpoint) { c.Tensors = append(c.Tensors, c.Tensors...) },
	} {
		c, dir := sharesCheckpoint(), filepath.Join(t.TempDir(), "x")
		change(c)
		if err := Save(dir, c); err == nil {
			t.Errorf("%s: saved", why)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s: something is there", why)
		}
	}
}

// Open reads the built-in checkpoint, that of a folder, and the best of a training run.
func TestOpen(t *testing.T) {
	run := t.TempDir()
	last, best := sharesCheckpoint(), sharesCheckpoint()
	last.CreatedBy, best.CreatedBy = "last", "best"
	folder := func(name string) string { return filepath.Join(run, "checkpoints", name) }
	if err := os.Mkdir(filepath.Join(run, "checkpoints"), 0o755); err != nil {
		t.Fatal(err)
	}
	builtin, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	check := func(why, name, want string) {
		t.Helper()
		if c, err := Open(name); err != nil || c.CreatedBy != want {
			t.Errorf("%s: %v, %v; want that of %s", why, c, err, want)
		}
	}
	if _, err := Open(run); err == nil || !strings.Contains(err.Error(), run) {
		t.Errorf("a run without a checkpoint: %v", err)
	}
	if err := Save(folder("last"), last); err != nil {
		t.Fatal(err)
	}
	check("a run without a best checkpoint", run, "last")
	if err := Save(folder("best"), best); err != nil {
		t.Fatal(err)
	}
	check("a run", run, "best")
	check("a checkpoint's folder", folder("last"), "last")
	check("the built-in one", BuiltinName, builtin.CreatedBy)
}

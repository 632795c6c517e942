package runlog

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/internal/memtest"
)

var (
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tags  = []string{LossCritic, Imbalance}
)

func after(seconds float64) time.Time {
	return start.Add(time.Duration(seconds * float64(time.Second)))
}

func info() Info {
	return Info{Name: "x", Command: []string{"saspart", "train-offline", "--data", "a b.arrow"}, Version: "v1", Seed: 7, Started: start,
		Host: Host{Name: "here", Platform: "linux/amd64", CPU: "a CPU: fast", CPUs: 2, MemoryMB: 1024, Go: "go1.26"}}
}

func create(t testing.TB, dir string) *Run {
	t.Helper()
	r, err := Create(dir, info(), []byte("seed: 7\n"), tags)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// killed ends the lock of a run, as the death of its process does.
func killed(t testing.TB, r *Run) {
	t.Helper()
	if err := r.lock.Release(); err != nil {
		t.Fatal(err)
	}
	r.lock = nil
}

func log(t testing.TB, r *Run, step int64, seconds float64, values map[string]float64) {
	t.Helper()
	if err := r.Log(step, after(seconds), values); err != nil {
		t.Fatal(err)
	}
}

// TestRun checks a run that is killed after a checkpoint and resumed from it.
func TestRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs", "x")
	r := create(t, dir)
	log(t, r, 10, 1.5, map[string]float64{LossCritic: 0.25})
	log(t, r, 20, 3, map[string]float64{LossCritic: 0.125, Imbalance: 0.5})
	log(t, r, 30, 4.5, map[string]float64{Imbalance: math.NaN(), LossCritic: math.Inf(-1)}) // after the checkpoint of step 20
	wantFile(t, r.Path(MetricsFile), "step,seconds,losses/critic,rollout/imbalance\n10,1.500,0.25,\n20,3.000,0.125,0.5\n30,4.500,-Inf,NaN\n")
	wantFile(t, r.Path(ConfigFile), "seed: 7\n")
	if err := os.WriteFile(r.Path(MetricsFile), append(read(t, r.Path(MetricsFile)), "40,5.0"...), 0o600); err != nil {
		t.Fatal(err) // as a kill within a line leaves it
	}

	if _, err := Create(dir, info(), nil, tags); err == nil || !strings.Contains(err.Error(), "resume it") {
		t.Errorf("a second run in the folder: %v", err)
	}
	if _, err := Resume(dir, Resumed{At: after(1000), Step: 20}, tags); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a run that goes on is resumed: %v", err)
	}
	killed(t, r)
	again, err := Resume(dir, Resumed{At: after(1000), Step: 20}, tags)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	log(t, again, 30, 1002, map[string]float64{LossCritic: 0.0625})
	wantFile(t, again.Path(MetricsFile), "step,seconds,losses/critic,rollout/imbalance\n10,1.500,0.25,\n20,3.000,0.125,0.5\n30,5.000,0.0625,\n")

	got, err := ReadInfo(dir)
	want := info()
	want.Resumed = []Resumed{{At: after(1000), Step: 20}}
	if diff := cmp.Diff(&want, got); err != nil || diff != "" {
		t.Errorf("%v; info (-want +got):\n%s", err, diff)
	}
	m, err := ReadMetrics(again.Path(MetricsFile))
	if err != nil {
		t.Fatal(err)
	}
	steps, values := m.Series(Imbalance)
	if !slices.Equal(steps, []int64{20}) || !slices.Equal(values, []float64{0.5}) || m.Rows() != 3 {
		t.Errorf("imbalance is %v at %v, of %d rows", values, steps, m.Rows())
	}
	if s, v := m.Series("none"); s != nil || v != nil {
		t.Errorf("a tag without a column has %v at %v", v, s)
	}

	var events []event
	files, err := filepath.Glob(filepath.Join(dir, "events.out.tfevents.*"))
	if err != nil || len(files) != 2 || !slices.IsSorted(files) {
		t.Fatalf("event files %v, %v", files, err)
	}
	for _, f := range files {
		events = append(events, readEvents(t, f)...)
	}
	at := func(s float64) float64 { return float64(start.Unix()) + s }
	wantEvents := []event{
		{at: at(0), version: "brain.Event:2"},
		{at: at(1.5), step: 10, values: map[string]float32{LossCritic: 0.25}},
		{at: at(3), step: 20, values: map[string]float32{LossCritic: 0.125, Imbalance: 0.5}},
		{at: at(4.5), step: 30, values: map[string]float32{LossCritic: float32(math.Inf(-1)), Imbalance: float32(math.NaN())}},
		{at: at(1000), version: "brain.Event:2"},
		{at: at(1000), step: 21, started: true},
		{at: at(1002), step: 30, values: map[string]float32{LossCritic: 0.0625}},
	}
	if diff := cmp.Diff(wantEvents, events, cmp.AllowUnexported(event{}), cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func wantFile(t testing.TB, path, want string) {
	t.Helper()
	if got := string(read(t, path)); got != want {
		t.Errorf("%s is\n%s\nwant\n%s", filepath.Base(path), got, want)
	}
}

// TestRecord checks frames against the definition, with checksums by naive division.
func TestRecord(t *testing.T) {
	naive := func(b []byte) uint32 {
		crc := ^uint32(0)
		for _, x := range b {
			crc ^= uint32(x)
			for range 8 {
				bit := crc & 1
				if crc >>= 1; bit == 1 {
					crc ^= 0x82f63b78
				}
			}
		}
		crc = ^crc
		return (crc>>15 | crc<<17) + 0xa282ead8
	}
	// Of the standard's check value: the CRC32C of "123456789" is 0xe3069283.
	if c, want := naive([]byte("123456789")), uint32(0xe3069283>>15|0xe3069283<<17&0xffffffff)+0xa282ead8; c != want {
		t.Fatalf("the naive checksum is %#x, want %#x", c, want)
	}
	rapid.Check(t, func(rt *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(rt, "data")
		got := appendRecord([]byte{9}, data)[1:]
		length := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
		want := binary.LittleEndian.AppendUint32(slices.Clone(length), naive(length))
		want = append(want, data...)
		want = binary.LittleEndian.AppendUint32(want, naive(data))
		if !slices.Equal(got, want) {
			rt.Fatalf("record %x, want %x", got, want)
		}
	})
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	holds := func(name, file, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(path, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	other := create(t, filepath.Join(dir, "other"))
	log(t, other, 5, 1, nil)
	killed(t, other)
	for _, c := range []struct {
		why  string
		do   func() error
		want []string
	}{
		{"a file where the folder should be", func() error {
			_, err := Create(filepath.Join(holds("f", "x", ""), "x"), info(), nil, tags)
			return err
		}, []string{"f/x"}},
		{"metrics of who knows what", func() error { _, err := Create(holds("m", MetricsFile, "a,b\n"), info(), nil, tags); return err }, []string{MetricsFile, "move it away"}},
		{"a tag that CSV does not bear", func() error { _, err := Create(filepath.Join(dir, "t"), info(), nil, []string{"a,b"}); return err }, []string{`"a,b"`}},
		{"a tag twice", func() error { _, err := Create(filepath.Join(dir, "u"), info(), nil, []string{"a", "a"}); return err }, []string{"twice"}},
		{"a tag that is a column already", func() error { _, err := Create(filepath.Join(dir, "v"), info(), nil, []string{"step"}); return err }, []string{"step"}},
		{"no run to resume", func() error { _, err := Resume(dir, Resumed{At: start, Step: 1}, tags); return err }, []string{dir, "no run"}},
		{"a damaged run.yaml", func() error {
			_, err := Resume(holds("y", InfoFile, "seed: [1\n"), Resumed{At: start, Step: 1}, tags)
			return err
		}, []string{InfoFile, "line 1"}},
		{"other tags", func() error { _, err := Resume(other.dir, Resumed{At: start, Step: 1}, tags[:1]); return err }, []string{MetricsFile, LossCritic, Imbalance}},
		{"an unknown tag", func() error { return other.Log(5, start, map[string]float64{"losses/critik": 1}) }, []string{"losses/critik", LossCritic}},
		{"a step back", func() error { return other.Log(4, start, nil) }, []string{"step 4 follows step 5"}},
	} {
		err := c.do()
		if err == nil {
			t.Errorf("%s: no error", c.why)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error does not say %q: %v", c.why, want, err)
			}
		}
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if err := other.Log(6, start, nil); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after the close: %v", err)
	}
}

// TestResumeWithoutMetrics checks that a run that was killed before its header was
// written can be resumed.
func TestResumeWithoutMetrics(t *testing.T) {
	for _, left := range []string{"", "step,sec"} {
		dir := t.TempDir()
		r := create(t, dir)
		killed(t, r)
		if err := os.WriteFile(r.Path(MetricsFile), []byte(left), 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := Resume(dir, Resumed{At: after(9), Step: 0}, tags)
		if err != nil {
			t.Fatal(err)
		}
		log(t, again, 1, 10, nil)
		again.Close()
		wantFile(t, again.Path(MetricsFile), "step,seconds,losses/critic,rollout/imbalance\n1,1.000,,\n")
	}
}

// TestFullDisk checks that a row that does not fit leaves nothing behind.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("NOT CHECKED what a full disk does: %v", err)
	}
	r := create(t, t.TempDir())
	log(t, r, 1, 1, nil)
	good := r.table.file
	r.table.file = full
	if err := r.Log(2, after(2), nil); err == nil || !strings.Contains(err.Error(), "no space left") || !strings.Contains(err.Error(), "step 2") {
		t.Errorf("error %v", err)
	}
	r.table.file = good
	full.Close()
	log(t, r, 2, 3, nil)
	wantFile(t, r.Path(MetricsFile), "step,seconds,losses/critic,rollout/imbalance\n1,1.000,,\n2,3.000,,\n")
}

// TestKill kills a writer at random moments: every row that Log returned from is
// kept, and what follows them can be resumed from.
func TestKill(t *testing.T) {
	if dir := os.Getenv("RUNLOG_TEST_RUN"); dir != "" {
		r := create(t, dir)
		for step := int64(1); ; step++ {
			log(t, r, step, float64(step), map[string]float64{LossCritic: 1 / float64(step)})
			fmt.Fprintln(os.Stderr, "kept", step)
		}
	}
	rounds := 5
	if testing.Short() {
		rounds = 1
	}
	for range rounds {
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), "RUNLOG_TEST_RUN="+dir)
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kept, limit := 0, 50+time.Now().Nanosecond()%500 // a moment by chance, on purpose
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if kept, err = strconv.Atoi(strings.TrimPrefix(lines.Text(), "kept ")); err != nil {
				t.Fatalf("the run said: %s", lines.Text())
			}
			if kept == limit {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // it was killed
		m, err := ReadMetrics(filepath.Join(dir, MetricsFile))
		if err != nil {
			t.Fatal(err)
		}
		if m.Rows() < kept || m.Rows() > kept+1 {
			t.Errorf("killed after %d rows, %d are there", kept, m.Rows())
		}
		r, err := Resume(dir, Resumed{At: after(0), Step: int64(kept / 2)}, tags)
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		if m, err := ReadMetrics(r.Path(MetricsFile)); err != nil || m.Rows() != kept/2 {
			t.Errorf("resumed from step %d with %d rows, %v", kept/2, m.Rows(), err)
		}
	}
}

func TestParseMetrics(t *testing.T) {
	for _, c := range []struct {
		why, text, want string
	}{
		{"nothing", "", "line 1: it has no header"},
		{"half a header", "step,seco", "line 1: it has no header"},
		{"another header", "a,b\n", "line 1: the header must begin with step,seconds"},
		{"an odd name", "step,seconds,a b\n", `line 1: tag "a b"`},
		{"the same name twice", "step,seconds,a,a\n", "line 1: tag a is there twice"},
		{"a value too few", "step,seconds,a\n1,2\n", "line 2: 2 values under 3 names"},
		{"a step that is none", "step,seconds,a\n1,2,3\nx,2,3\n", `line 3: step "x"`},
		{"a value that is none", "step,seconds,a\n1,2,x\n", `line 2: "x" is not a number`},
		{"no time", "step,seconds,a\n1,,1\n", `line 2: "" is not a number`},
		{"a step back", "step,seconds,a\n2,2,3\n1,3,3\n", "line 3: step 1 follows step 2"},
		{"nothing is wrong", "step,seconds,a\n2,2,3\n2,3,\n3,4", ""},
	} {
		_, err := parseMetrics([]byte(c.text), math.MaxInt64)
		if got := fmt.Sprint(err); (err == nil) != (c.want == "") || err != nil && !strings.Contains(got, c.want) {
			t.Errorf("%s: %v, want %q", c.why, err, c.want)
		}
	}
}

// FuzzMetrics checks that a table that can be read is written back unchanged.
func FuzzMetrics(f *testing.F) {
	f.Add([]byte("step,seconds,a,b\n1,0.5,1e300,\n2,1,NaN,-Inf\n3,"))
	f.Add([]byte("step,seconds\n-1,Inf\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		defer memtest.Limit(t, 16<<20)()
		m, err := parseMetrics(text, math.MaxInt64)
		if err != nil {
			return
		}
		path := filepath.Join(t.TempDir(), MetricsFile)
		w, err := createTable(path, m.Tags)
		if err != nil {
			t.Fatalf("read, but not written: %v", err)
		}
		defer w.file.Close()
		for row, step := range m.Steps {
			values := map[string]float64{}
			for i, tag := range m.Tags {
				values[tag] = m.Values[i][row]
			}
			if err := w.check(step, values); err != nil {
				t.Fatal(err)
			}
			if err := w.add(step, m.Seconds[row], values); err != nil {
				t.Fatal(err)
			}
		}
		again, err := ReadMetrics(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, again, cmpopts.EquateNaNs(), cmpopts.IgnoreUnexported(Metrics{}), cmpopts.IgnoreFields(Metrics{}, "Seconds"), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-read +read again):\n%s", diff)
		}
	})
}

func TestThisHost(t *testing.T) {
	h := ThisHost()
	if h.CPUs < 1 || h.Platform == "" || h.Go == "" {
		t.Errorf("%+v", h)
	}
	if procValue(filepath.Join(t.TempDir(), "none"), "x") != "" {
		t.Error("a file that is not there has a value")
	}
}

// TestTags checks that every tag is one that files bear, and that people learn what
// it is.
func TestTags(t *testing.T) {
	var names []string
	for _, tag := range Tags() {
		names = append(names, tag.Name)
		if tag.Title == "" || !strings.HasSuffix(tag.Help, ".") || Describe(tag.Name) != tag {
			t.Errorf("%s is described as %q, %q", tag.Name, tag.Title, tag.Help)
		}
	}
	if err := checkTags(names); err != nil {
		t.Error(err)
	}
	if d := Describe("losses/mine"); d.Title != "losses/mine" {
		t.Errorf("an unknown tag is titled %q", d.Title)
	}
}

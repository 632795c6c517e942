package dataset

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/saspart/saspart/internal/memtest"
	"github.com/saspart/saspart/policy"
)

// smallWindows are windows of few bytes, so that tests can try every length.
func smallWindows(n int) []*policy.Window {
	out := make([]*policy.Window, n)
	for i := range out {
		out[i] = &policy.Window{Step: i, Records: int64(i) * 3, Counts: []int64{int64(i), 2}, Busy: []float64{0.5, float64(i)},
			Hot: []policy.HotKey{{Name: "k", Hash: 1, Count: int64(i)}}}
	}
	return out
}

var smallMeta = Meta{Workers: 2, Seed: 1, Engine: "sim"}

// image is a trace and its tail as bytes.
type image struct{ main, tail []byte }

func (m image) put(t testing.TB, path string) {
	t.Helper()
	if err := os.WriteFile(path, m.main, 0o600); err != nil {
		t.Fatal(err)
	}
	if m.tail == nil {
		os.Remove(path + TailExt)
	} else if err := os.WriteFile(path+TailExt, m.tail, 0o600); err != nil {
		t.Fatal(err)
	}
}

// read reads the image as Open would a file.
func (m image) read() (windows []*policy.Window, complete bool, err error) {
	r := &Reader{}
	defer r.Close()
	err = r.begin("main", bytes.NewReader(m.main), int64(len(m.main)))
	if err == nil && !r.complete && m.tail != nil {
		err = r.beginTail("tail", bytes.NewReader(m.tail), int64(len(m.tail)))
	}
	for err == nil {
		var w *policy.Window
		if w, err = r.Next(); err == nil {
			windows = append(windows, w)
		}
	}
	if err == io.EOF {
		err = nil
	}
	return windows, r.complete, err
}

// imageOf is the state of a trace after the given windows.
func imageOf(t testing.TB, m Meta, windows []*policy.Window, end bool) image {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.arrow")
	w := writeTrace(t, path, m, windows, end)
	defer w.Close()
	main, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tail, err := os.ReadFile(path + TailExt)
	if err != nil && !end {
		t.Fatal(err)
	}
	return image{main, tail}
}

// TestCutAnywhere cuts a trace, or its tail, at every length: what opens gives
// the windows that were complete before the cut, never others.
func TestCutAnywhere(t *testing.T) {
	const n = groupWindows + 3
	windows := smallWindows(n)
	closed, open := imageOf(t, smallMeta, windows, true), imageOf(t, smallMeta, windows, false)
	empty := imageOf(t, smallMeta, nil, false)
	step := 101
	if testing.Short() {
		step = 997
	}
	check := func(what string, cut, header int, im image, atLeast, atMost int) {
		t.Helper()
		got, complete, err := im.read()
		if err != nil {
			if cut >= header || !strings.Contains(err.Error(), "header") && !strings.Contains(err.Error(), "begins with") {
				t.Fatalf("%s cut to %d bytes: after %d windows: %v", what, cut, len(got), err)
			}
			return
		}
		if complete || len(got) < atLeast || len(got) > atMost {
			t.Fatalf("%s cut to %d bytes: %d windows, complete %v", what, cut, len(got), complete)
		}
		if diff := sameWindows(got, windows[:len(got)]); diff != "" {
			t.Fatalf("%s cut to %d bytes: other windows:\n%s", what, cut, diff)
		}
	}
	for cut := 1; cut < len(closed.main); cut += step {
		check("closed trace", cut, len(empty.main), image{main: closed.main[:cut]}, 0, n)
	}
	for cut := 0; cut < len(open.tail); cut += step {
		check("tail", cut, len(empty.tail), image{open.main, open.tail[:cut]}, groupWindows, n)
	}
	check("nothing", 0, 0, open, n, n)
}

// TestKilledWhileMovingTheTail covers the moments between a full tail and its
// windows being in the trace alone: none is lost, none comes twice.
func TestKilledWhileMovingTheTail(t *testing.T) {
	windows := smallWindows(groupWindows)
	before := imageOf(t, smallMeta, windows[:groupWindows-1], false)
	after := imageOf(t, smallMeta, windows, false)
	for cut := len(before.main); cut <= len(after.main); cut += 37 {
		got, _, err := image{after.main[:cut], before.tail}.read()
		if err != nil {
			t.Fatalf("cut %d: %v", cut, err)
		}
		if diff := sameWindows(got, windows[:len(got)]); diff != "" || len(got) < groupWindows-1 {
			t.Fatalf("cut %d: %d windows\n%s", cut, len(got), diff)
		}
	}
}

// limited is a file in memory that fails after limit bytes, as a full disk does:
// having taken what fits. It loses what was not synced when the power fails.
type limited struct {
	data   []byte
	at     int
	limit  int
	synced []byte
}

func (f *limited) Write(p []byte) (int, error) {
	n := min(len(p), max(0, f.limit-f.at))
	f.data = append(f.data[:f.at], p[:n]...)
	f.at += n
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func (f *limited) Seek(offset int64, _ int) (int64, error) { f.at = int(offset); return offset, nil }
func (f *limited) Truncate(size int64) error               { f.data = f.data[:size]; return nil }
func (f *limited) Sync() error                             { f.synced = bytes.Clone(f.data); return nil }
func (f *limited) Close() error                            { return nil }

// A loss of power takes windows of the last, unfinished group only.
func TestLossOfPower(t *testing.T) {
	windows := smallWindows(2*groupWindows + 10)
	main, tail := &limited{limit: 1 << 30}, &limited{limit: 1 << 30}
	w, err := newWriter("x.arrow", main, tail, smallMeta)
	if err != nil {
		t.Fatal(err)
	}
	check := func(written, want int) {
		t.Helper()
		for _, tail := range [][]byte{tail.data, tail.synced, nil} {
			got, _, err := image{main.synced, tail}.read()
			if err != nil || len(got) < want {
				t.Fatalf("after %d windows: %d of at least %d are left, %v", written, len(got), want, err)
			}
			if diff := sameWindows(got, windows[:len(got)]); diff != "" {
				t.Fatalf("after %d windows: other windows are left:\n%s", written, diff)
			}
		}
	}
	if err := main.Sync(); err != nil { // as Create does before the trace gets its name
		t.Fatal(err)
	}
	for i, win := range windows {
		if err := w.Write(win); err != nil {
			t.Fatal(err)
		}
		check(i+1, (i+1)/groupWindows*groupWindows)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	check(len(windows), len(windows))
}

func TestFullDisk(t *testing.T) {
	windows := smallWindows(200)
	header, whole := imageOf(t, smallMeta, nil, false), imageOf(t, smallMeta, windows, true)
	const enough = 1 << 30
	for _, limits := range []struct{ main, tail int }{
		{enough, 100},                     // within the tail's header
		{1000, enough},                    // within the trace's header
		{enough, len(header.tail) + 10},   // within the first window
		{enough, len(header.tail) + 1e5},  // within a later one
		{len(header.main) + 10, enough},   // within the first batch of the trace
		{len(header.main) + 5000, enough}, // within the second
		{len(whole.main) - 100, enough},   // within the footer
	} {
		main, tail := &limited{limit: limits.main}, &limited{limit: limits.tail}
		w, err := newWriter("x.arrow", main, tail, smallMeta)
		written := 0
		for err == nil && written < len(windows) {
			if err = w.Write(windows[written]); err == nil {
				written++
			}
		}
		if w != nil {
			err = errors.Join(err, w.Close())
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("limits %+v: %d windows, error %v", limits, written, err)
			continue
		}
		if w == nil {
			continue // nothing was begun, Create removes both
		}
		if again := w.Write(windows[0]); again == nil {
			t.Errorf("limits %+v: a window was taken after the failure", limits)
		}
		got, _, err := image{main.data, tail.data}.read()
		if err != nil || len(got) < written {
			t.Errorf("limits %+v: %d windows written, %d read: %v", limits, written, len(got), err)
		}
		if diff := sameWindows(got, windows[:len(got)]); diff != "" {
			t.Errorf("limits %+v: other windows:\n%s", limits, diff)
		}
	}
}

// TestFileSizeLimit fills a real file: the process may not write files past a
// size, which fails with EFBIG.
func TestFileSizeLimit(t *testing.T) {
	if path := os.Getenv("DATASET_TEST_LIMITED_TRACE"); path != "" {
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 60000, Max: 60000}); err != nil {
			t.Fatal(err)
		}
		w, err := Create(path, smallMeta)
		if err != nil {
			t.Fatal(err)
		}
		for _, win := range smallWindows(2000) {
			if err := w.Write(win); err != nil {
				t.Log(err)
				return
			}
		}
		t.Fatal("2000 windows fit 60000 bytes")
	}
	path := filepath.Join(t.TempDir(), "x.arrow")
	cmd := exec.Command(os.Args[0], "-test.run=^TestFileSizeLimit$", "-test.v")
	cmd.Env = append(os.Environ(), "DATASET_TEST_LIMITED_TRACE="+path)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "file too large") || !strings.Contains(string(out), "is kept") {
		t.Fatalf("%v\n%s", err, out)
	}
	got, complete, err := readTrace(path)
	if err != nil || complete || len(got) == 0 {
		t.Fatalf("%d windows, complete %v, error %v", len(got), complete, err)
	}
	if diff := sameWindows(got, smallWindows(len(got))); diff != "" {
		t.Fatal(diff)
	}
}

func TestRefusals(t *testing.T) {
	good := imageOf(t, smallMeta, smallWindows(3), true)
	open := imageOf(t, smallMeta, smallWindows(3), false)
	stranger := imageOf(t, Meta{Workers: 2, Seed: 2, Engine: "sim"}, smallWindows(3), false)
	footless := bytes.Clone(good.main)
	copy(footless[len(footless)-10:], "\xff\xff\xff\x7f")
	noise := bytes.Clone(good.main)
	copy(noise[8:], "noise in place of the header")
	for _, c := range []struct {
		why  string
		im   image
		want string
	}{
		{"created, never written", image{main: []byte{}}, "empty"},
		{"some other file", image{main: []byte("a,b,c\n1,2,3\n")}, `begins with "a,b,c`},
		{"shorter than the magic", image{main: []byte("ARROW")}, "begins with"},
		{"an Arrow file of another program", image{main: arrowFile(t, nil)}, "not a trace"},
		{"a future version", image{main: arrowFile(t, map[string]string{metaFormat: formatName, metaVersion: "99"})}, `version "99"`},
		{"no workers", image{main: arrowFile(t, map[string]string{metaFormat: formatName, metaVersion: "1", metaWorkers: "0"})}, metaWorkers},
		{"other columns", image{main: arrowFile(t, map[string]string{metaFormat: formatName, metaVersion: "1", metaWorkers: "2", metaSeed: "1"})}, "column 0"},
		{"cut within the header", image{main: good.main[:500]}, "header"},
		{"a footer longer than the file", image{main: footless}, "footer"},
		{"no header", image{main: noise}, "header"},
		{"the tail of another trace", image{open.main, stranger.tail}, "another trace"},
		{"a tail that is none", image{open.main, []byte("this is no Arrow stream at all")}, TailExt},
	} {
		path := filepath.Join(t.TempDir(), "x.arrow")
		c.im.put(t, path)
		_, _, err := readTrace(path)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v; it must name the file and %q", c.why, err, c.want)
		}
	}
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing.arrow")} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("open %s: %v", path, err)
		}
	}
}

// arrowFile is an Arrow file of one column that is no trace's.
func arrowFile(t *testing.T, meta map[string]string) []byte {
	t.Helper()
	md := arrow.MetadataFrom(meta)
	schema := arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64}}, &md)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	b.Field(0).(*array.Int64Builder).Append(1)
	out := &sink{}
	w, err := ipc.NewFileWriter(out, ipc.WithSchema(schema))
	if err := errors.Join(err, w.Write(b.NewRecord()), w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.buf.Bytes()
}

func TestCreateRefuses(t *testing.T) {
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken.arrow")
	writeTrace(t, taken, smallMeta, smallWindows(1), true)
	before, _ := os.ReadFile(taken)
	if _, err := Create(taken, smallMeta); err == nil || !strings.Contains(err.Error(), "never overwritten") {
		t.Errorf("create over a trace: %v", err)
	}
	if after, _ := os.ReadFile(taken); !bytes.Equal(before, after) {
		t.Error("a refused create changed the trace")
	}
	if _, err := Create(filepath.Join(taken, "x.arrow"), smallMeta); err == nil || !strings.Contains(err.Error(), taken) {
		t.Errorf("create in a folder that is a file: %v", err)
	}
	if _, err := Create(filepath.Join(dir, "none.arrow"), Meta{}); err == nil {
		t.Error("a trace of no workers was created")
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(left) != 1 {
		t.Errorf("refused creates left files: %v", left)
	}
}

func TestWriteRefusesOtherShapes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.arrow")
	w, err := Create(path, smallMeta)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want string
		win  policy.Window
	}{
		{"counts", policy.Window{Counts: []int64{1, 2, 3}}},
		{"busy", policy.Window{Busy: []float64{1}}},
		{"realised[0]", policy.Window{Realised: []policy.RealisedShare{{Worker: 2}}}},
		{"route", policy.Window{Route: policy.HashRoute(3)}},
		{"hot keys", policy.Window{Hot: []policy.HotKey{{Name: strings.Repeat("x", maxWindowBytes)}}}},
	} {
		if err := w.Write(&c.win); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v; it must name %q", err, c.want)
		}
	}
	if err := w.Write(smallWindows(1)[0]); err != nil {
		t.Errorf("a good window after refused ones: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, complete, err := readTrace(path); err != nil || len(got) != 1 || !complete {
		t.Errorf("%d windows, complete %v, error %v", len(got), complete, err)
	}
	if err := w.Write(smallWindows(1)[0]); err == nil {
		t.Error("a closed trace took a window")
	}
}

func TestRepair(t *testing.T) {
	windows := smallWindows(groupWindows + 5)
	path := filepath.Join(t.TempDir(), "x.arrow")
	imageOf(t, smallMeta, windows, false).put(t, path)
	for range 2 { // the second finds nothing to do
		n, err := Repair(path)
		if err != nil || n != int64(len(windows)) {
			t.Fatalf("%d windows, error %v", n, err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := imageOf(t, smallMeta, windows, true).main; !bytes.Equal(got, want) {
		t.Errorf("repaired: %d bytes; closed: %d bytes; they must be the same", len(got), len(want))
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 1 {
		t.Errorf("repair left files: %v", left)
	}
}

// FuzzReader feeds anything to the reader: no panic, no window of impossible
// shape, no more memory than a batch may take.
func FuzzReader(f *testing.F) {
	windows := smallWindows(3)
	windows[1].Route = &policy.Route{Workers: 2, Slots: []uint16{0, 1},
		Keys: []policy.KeyRoute{{Hash: 1, Name: "k", Workers: []uint16{0, 1}, Shares: []float64{0.5, 0.5}}}}
	windows[2].Realised = []policy.RealisedShare{{Hash: 1, Worker: 1, Count: 3}}
	closed, open := imageOf(f, smallMeta, windows, true), imageOf(f, smallMeta, windows, false)
	f.Add(closed.main, []byte{})
	f.Add(open.main, open.tail)
	f.Add(open.main, open.tail[:len(open.tail)-100])
	f.Fuzz(func(t *testing.T, main, tail []byte) {
		defer memtest.Limit(t, 1<<29)()
		r := &Reader{}
		defer r.Close()
		if r.begin("main", bytes.NewReader(main), int64(len(main))) != nil {
			return
		}
		if !r.complete && r.beginTail("tail", bytes.NewReader(tail), int64(len(tail))) != nil {
			return
		}
		for {
			w, err := r.Next()
			if err != nil {
				if err != io.EOF && !strings.Contains(err.Error(), "at byte") {
					t.Errorf("error without a place: %v", err)
				}
				return
			}
			if err := checkShape(w, r.Meta().Workers); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestFlippedBits flips single bits of a trace: it is refused, or its windows are the same.
// Without checksums, 30 of 1,575 flips gave other numbers.
func TestFlippedBits(t *testing.T) {
	windows := smallWindows(groupWindows + 3)
	for i, w := range windows {
		w.Slots = []int64{int64(i), 1, 2, 3}
	}
	closed, open := imageOf(t, smallMeta, windows, true), imageOf(t, smallMeta, windows, false)
	whole, _, err := closed.read()
	if err != nil {
		t.Fatal(err)
	}
	flips := 20_000
	if testing.Short() {
		flips = 1_000
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range flips {
		im := image{bytes.Clone(closed.main), nil}
		part := im.main
		if rng.IntN(4) == 0 {
			im = image{open.main, bytes.Clone(open.tail)}
			part = im.tail
		}
		bit := rng.IntN(8 * len(part))
		part[bit/8] ^= 1 << (bit % 8)
		got, complete, err := im.read()
		if err != nil {
			continue
		}
		if len(got) > len(windows) || complete && len(got) < len(windows) {
			t.Fatalf("bit %d: %d windows, complete %v", bit, len(got), complete)
		}
		if reflect.DeepEqual(got, whole[:len(got)]) {
			continue
		}
		if diff := sameWindows(got, windows[:len(got)]); diff != "" { // NaNs and empty lists may be of another form
			t.Fatalf("bit %d of byte %d of %d is flipped, and the windows are others:\n%s", bit%8, bit/8, len(part), diff)
		}
	}
}

// TestFlippedBytes is the fuzz test's steady part: each byte of a trace wrong
// once.
func TestFlippedBytes(t *testing.T) {
	closed := imageOf(t, smallMeta, smallWindows(3), true).main
	step := 5
	if testing.Short() {
		step = 53
	}
	for i := 0; i < len(closed); i += step {
		damaged := bytes.Clone(closed)
		damaged[i] ^= 0x55
		r := &Reader{}
		err := r.begin("main", bytes.NewReader(damaged), int64(len(damaged)))
		for n := 0; err == nil; n++ {
			if n > 1000 {
				t.Fatalf("byte %d flipped: the trace of 3 windows has more than 1000", i)
			}
			_, err = r.Next()
		}
		r.Close()
	}
}

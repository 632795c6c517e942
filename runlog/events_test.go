package runlog

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
)

// event is an event as a reader of its own sees it.
type event struct {
	at      float64
	step    int64
	version string
	started bool
	values  map[string]float32
}

// readEvents reads an event file, checking every checksum.
func readEvents(t *testing.T, path string) (events []event) {
	t.Helper()
	for b := read(t, path); len(b) > 0; {
		n := binary.LittleEndian.Uint64(b)
		if masked(b[:8]) != binary.LittleEndian.Uint32(b[8:]) {
			t.Fatalf("%s: the checksum of a length is wrong", path)
		}
		data := b[12 : 12+n]
		if masked(data) != binary.LittleEndian.Uint32(b[12+n:]) {
			t.Fatalf("%s: the checksum of an event is wrong", path)
		}
		events = append(events, readEvent(t, data))
		b = b[16+n:]
	}
	return events
}

func readEvent(t *testing.T, data []byte) (e event) {
	t.Helper()
	eachField(t, data, func(num protowire.Number, number uint64, bytes []byte) {
		switch num {
		case 1:
			e.at = math.Float64frombits(number)
		case 2:
			e.step = int64(number)
		case 3:
			e.version = string(bytes)
		case 5:
			e.values = map[string]float32{}
			eachField(t, bytes, func(_ protowire.Number, _ uint64, value []byte) {
				tag, v := "", float32(0)
				eachField(t, value, func(num protowire.Number, number uint64, bytes []byte) {
					if num == 1 {
						tag = string(bytes)
					} else if num == 2 {
						v = math.Float32frombits(uint32(number))
					}
				})
				e.values[tag] = v
			})
		case 7:
			eachField(t, bytes, func(num protowire.Number, number uint64, _ []byte) { e.started = num == 1 && number == 1 })
		}
	})
	return e
}

// eachField hands on the fields of a message.
func eachField(t *testing.T, data []byte, f func(num protowire.Number, number uint64, bytes []byte)) {
	t.Helper()
	for len(data) > 0 {
		num, typ, n := protowire.ConsumeTag(data)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		data = data[n:]
		var number uint64
		var bytes []byte
		switch typ {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(data)
		case protowire.Fixed64Type:
			number, n = protowire.ConsumeFixed64(data)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(data)
			number = uint64(v)
		case protowire.BytesType:
			bytes, n = protowire.ConsumeBytes(data)
		default:
			t.Fatalf("field %d has wire type %d", num, typ)
		}
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		f(num, number, bytes)
		data = data[n:]
	}
}

// TestTensorBoard reads a resumed run with the real thing.
func TestTensorBoard(t *testing.T) {
	interpreter := python(t)
	dir := t.TempDir()
	r := create(t, dir)
	for step := int64(10); step <= 40; step += 10 {
		log(t, r, step, float64(step), map[string]float64{LossCritic: 1 / float64(step), Imbalance: 2})
	}
	r.Close()
	again, err := Resume(dir, Resumed{At: after(100), Step: 20}, tags)
	if err != nil {
		t.Fatal(err)
	}
	log(t, again, 30, 101, map[string]float64{LossCritic: 0.5})
	again.Close()

	cmd := exec.Command(interpreter, "-c", `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
a = EventAccumulator(sys.argv[1])
a.Reload()
print(json.dumps({tag: [[e.step, e.value, e.wall_time] for e in a.Scalars(tag)] for tag in a.Tags()["scalars"]}))`, dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got map[string][][3]float64
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	at := float64(start.Unix())
	want := map[string][][3]float64{
		LossCritic: {{10, float64(float32(0.1)), at + 10}, {20, float64(float32(0.05)), at + 20}, {30, 0.5, at + 101}},
		Imbalance:  {{10, 2, at + 10}, {20, 2, at + 20}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("TensorBoard reads (-want +got):\n%s", diff)
	}
}

// python finds an interpreter with tensorboard: $SASPART_PYTHON, or that of .venv, which
// `make setup` creates.
func python(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("imports tensorboard: slow")
	}
	for _, p := range []string{os.Getenv("SASPART_PYTHON"), filepath.Join("..", ".venv", "bin", "python")} {
		if p == "" {
			continue
		}
		path, err := filepath.Abs(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := exec.Command(path, "-c", "import tensorboard").Run(); err == nil {
			return path
		} else if p == os.Getenv("SASPART_PYTHON") {
			t.Fatalf("SASPART_PYTHON=%s cannot import tensorboard: %v", p, err)
		}
	}
	t.Skip("NOT CHECKED that TensorBoard reads a run: no Python with it; run `make setup` or set SASPART_PYTHON")
	return ""
}

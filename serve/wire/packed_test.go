package wire

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/internal/memtest"
	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	pb "github.com/saspart/saspart/proto/saspart/v1"
)

// largeJob is the hello of a stream whose reports are packed, from a job with few keys.
func largeJob() *Hello {
	h := hello()
	h.Shape.Slots, h.Shape.Named, h.Partitioners = 1<<14, 0, Ranges{{0, 2}}
	return h
}

// drawLarge is a report of such a job, with some of its 3,000 keys.
func drawLarge(rng *rand.Rand, h *Hello) *reports.Report {
	r := &reports.Report{Slide: rng.Uint64(), Workers: []reports.Worker{{Index: 3, Records: 5, Busy: 0.5}}}
	for i := range 1 + rng.IntN(2) {
		p := reports.Partitioner{Index: i, Sent: 9, Name: "table", Learns: rng.IntN(2) == 0, Slots: make([]int64, h.Shape.Slots)}
		for s := range p.Slots {
			p.Slots[s] = rng.Int64N(1 << rng.IntN(4))
		}
		from := rng.Uint64N(3000)
		for n := range rng.Uint64N(maxLists*64 + 1) {
			hash := (from + n) * 0x9e3779b97f4a7c15
			k := policy.HotKey{Hash: hash, Name: fmt.Sprint("key ", from+n), Count: rng.Int64N(1000)}
			if rng.IntN(3) == 0 {
				k.Error = rng.Int64N(k.Count + 1)
			}
			if rng.IntN(50) > 0 { // else the key has more records than its slot
				p.Slots[policy.SlotOf(hash, len(p.Slots))] += k.Count
			}
			p.Hot = append(p.Hot, k)
		}
		if rng.IntN(5) == 0 && len(p.Hot) > 0 && len(p.Hot) < maxLists*64 {
			p.Hot = append(p.Hot, p.Hot[0]) // no sketch lists a key twice
		}
		rng.Shuffle(len(p.Hot), func(i, j int) { p.Hot[i], p.Hot[j] = p.Hot[j], p.Hot[i] })
		r.Partitioners = append(r.Partitioners, p)
	}
	return r
}

// sorted sorts hot keys, which a packed report has in another order, and keeps of the slots
// their fingerprint.
func sorted(r *reports.Report) *reports.Report {
	c := *r
	c.Partitioners = slices.Clone(r.Partitioners)
	for i := range c.Partitioners {
		hot := slices.Clone(c.Partitioners[i].Hot)
		slices.SortFunc(hot, func(a, b policy.HotKey) int {
			return cmp.Or(cmp.Compare(a.Hash, b.Hash), cmp.Compare(a.Count, b.Count), cmp.Compare(a.Error, b.Error))
		})
		print := uint64(0)
		for _, n := range c.Partitioners[i].Slots {
			print = mark(print, uint64(n))
		}
		c.Partitioners[i].Hot, c.Partitioners[i].Slots = hot, []int64{int64(print)}
	}
	return &c
}

// The packed reports of a stream come back as they were. The sender forgets its keys now and
// then, reports are lost, and the keys become more than may be known.
func TestPackedReportsComeBack(t *testing.T) {
	h := largeJob()
	small, lost, overfull := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		keys, packer := NewKeys(h, 1<<20), NewPacker(h)
		for range 5 {
			r := drawLarge(rng, h)
			plain, before := Frame(AppendReport(nil, r)), packer.known
			frame := packer.Pack(plain)
			if len(frame) < len(plain)/2 {
				small++
			}
			if packer.known < before {
				overfull++
			}
			if rng.IntN(8) == 0 {
				lost++
				continue
			}
			take := func(frame Frame) error {
				_, err := TakeReport(frame, h, keys, func(got *reports.Report) error {
					if want, got := sorted(r), sorted(got); !gocmp.Equal(want, got, equalEmpty) {
						t.Fatalf("%+v, want %+v", got, want)
					}
					return nil
				})
				return err
			}
			if err := take(frame); err != nil { // as after a report that was lost: the sender learns of it
				packer.Forget()
				if err := take(packer.Pack(plain)); err != nil {
					t.Fatal(err)
				}
			}
			if rng.IntN(10) == 0 {
				packer.Forget()
			}
		}
	})
	if small == 0 || lost == 0 || overfull == 0 {
		t.Errorf("%d reports were less than half as long, %d lost; known keys were too many %d times", small, lost, overfull)
	}
}

// Small reports, those of other subtasks, and those that the receiver would refuse are sent
// as they are.
func TestWhatIsNotPacked(t *testing.T) {
	h := largeJob()
	large := drawLarge(rand.New(rand.NewPCG(1, 2)), h)
	foreign := *large
	foreign.Workers = []reports.Worker{{Index: 2}}
	workers := largeJob()
	workers.Partitioners = nil
	for why, c := range map[string]struct {
		hello  *Hello
		report *reports.Report
		packed bool
	}{
		"a large report":                      {h, large, true},
		"a small one":                         {h, report(), false},
		"a worker that is not the stream's":   {h, &foreign, false},
		"a stream that has workers and not p": {workers, &reports.Report{Workers: make([]reports.Worker, 1000)}, false},
	} {
		plain := Frame(AppendReport(nil, c.report))
		if packed := !bytes.Equal(NewPacker(c.hello).Pack(plain), plain); packed != c.packed {
			t.Errorf("%s: packed %v", why, packed)
		}
	}
}

func TestPackedReportRefuses(t *testing.T) {
	h := hello()
	two := func(turn func(m *pb.PartitionerReport)) [2]*pb.Report {
		first := &pb.PartitionerReport{Index: 1, Hot: []*pb.HotKey{{Hash: 5, Count: 1}, {Hash: 6, Count: 1}}}
		second := &pb.PartitionerReport{Index: 1, Known: mark(mark(0, 5), 6), KnownKeys: []uint32{0, 0}, KnownCounts: []uint64{1, 2}}
		turn(second)
		return [2]*pb.Report{{Partitioners: []*pb.PartitionerReport{first}}, {Partitioners: []*pb.PartitionerReport{second}}}
	}
	for _, c := range []struct {
		why  string
		turn func(m *pb.PartitionerReport)
		want string
	}{
		{"what it should be", func(*pb.PartitionerReport) {}, "<nil>"},
		{"another sequence of keys", func(m *pb.PartitionerReport) { m.Known = mark(mark(0, 6), 5) }, "counts on keys"},
		{"keys that were forgotten with this report", func(m *pb.PartitionerReport) { m.Known = 0 }, "key 0 is not known; 0 are"},
		{"a key that did not come", func(m *pb.PartitionerReport) { m.KnownKeys[1] = 1 }, "key 2 is not known; 2 are"},
		{"a number that wraps around", func(m *pb.PartitionerReport) { m.KnownKeys[1] = 1<<32 - 1 }, "is not known"},
		{"a key without a count", func(m *pb.PartitionerReport) { m.KnownCounts = m.KnownCounts[:1] }, "2 known keys have 1 counts"},
		{"errors of some keys", func(m *pb.PartitionerReport) { m.KnownErrors = []uint64{1} }, "2 known keys have 2 counts and 1 errors"},
		{"a negative count", func(m *pb.PartitionerReport) { m.KnownCounts[0] = 1 << 63 }, "a count is"},
		{"counts that are too much together", func(m *pb.PartitionerReport) { m.KnownCounts[0], m.KnownCounts[1] = maxCount, maxCount }, "hot key 1"},
		{"more keys than possible", func(m *pb.PartitionerReport) {
			m.KnownKeys, m.KnownCounts = make([]uint32, 1000), make([]uint64, 1000)
		}, "1000 hot keys"},
		{"a slot with fewer records than errors", func(m *pb.PartitionerReport) {
			m.Slots, m.SlotsRest, m.KnownErrors = make([]uint64, 8), true, []uint64{3, 3}
		}, "slot 0"},
	} {
		keys := NewKeys(h, 1<<12)
		var err error
		for _, m := range two(c.turn) {
			b, failed := proto.Marshal(m)
			if failed != nil {
				t.Fatal(failed)
			}
			_, err = TakeReport(deflated(b, 3), h, keys, func(*reports.Report) error { return nil })
		}
		if !bytes.Contains([]byte(fmt.Sprint(err)), []byte(c.want)) {
			t.Errorf("%s: %v", c.why, err)
		}
	}
	keys := NewKeys(h, 1<<10)
	bomb := appendText(nil, 10, make([]byte, 1<<20))
	for why, frame := range map[string]Frame{
		"what unpacks to more than a message may have": deflated(bomb, 3),
		"what is not deflated":                         protowire.AppendBytes(protowire.AppendTag(nil, 3, protowire.BytesType), []byte{7, 7, 7}),
	} {
		if _, err := TakeReport(frame, h, keys, nil); err != ErrGarbage {
			t.Errorf("%s: %v", why, err)
		}
	}
	if _, err := TakeReport(deflated(nil, 3), h, nil, nil); err == nil {
		t.Error("a packed report is taken where none is expected")
	}
}

// Whatever is in packed reports, one after the other, is what it is to the naive twin.
func FuzzPacked(f *testing.F) {
	h := hello()
	packer := NewPacker(h)
	f.Add(appendReport(nil, report(), packer), appendReport(nil, report(), packer))
	f.Add([]byte{0x1a, 0, 0x22, 0}, []byte{0x12, 0})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		defer memtest.Limit(t, 32<<20)()
		keys, known := NewKeys(h, 1<<20), naiveKeys(nil)
		for _, b := range [][]byte{first, second} {
			want, wrong := naiveReport(b, h, &known)
			_, err := TakeReport(deflated(b, 3), h, keys, func(r *reports.Report) error {
				if diff := gocmp.Diff(want, r, equalEmpty); diff != "" {
					t.Fatalf("-library +by hand:\n%s", diff)
				}
				return nil
			})
			if (wrong == ErrGarbage) != (err == ErrGarbage) || (wrong != nil) != (err != nil) {
				t.Fatalf("by hand: %v; the library: %v", err, wrong)
			}
			if err != nil {
				return // the sender sends all keys again
			}
		}
	})
}

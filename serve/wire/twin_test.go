package wire

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	pb "github.com/saspart/saspart/proto/saspart/v1"
)

// The twin of all that is encoded and decoded by hand is the protobuf library.

// fill sets fields of a message by chance, of whatever fields it has: also those that
// were not there when this was written.
func fill(m protoreflect.Message, rng *rand.Rand) {
	of := m.Descriptor().Fields()
	for i := range of.Len() {
		f := of.Get(i)
		switch {
		case rng.IntN(4) == 0 || f.ContainingOneof() != nil:
		case f.IsList():
			list := m.Mutable(f).List()
			for range rng.IntN(4) {
				if f.Message() != nil {
					fill(list.AppendMutable().Message(), rng)
				} else {
					list.Append(scalar(f, rng))
				}
			}
		case f.Message() != nil:
			fill(m.Mutable(f).Message(), rng)
		default:
			m.Set(f, scalar(f, rng))
		}
	}
}

func scalar(f protoreflect.FieldDescriptor, rng *rand.Rand) protoreflect.Value {
	v := rng.Uint64() >> rng.IntN(64)
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(v%2 == 0)
	case protoreflect.Sint32Kind:
		return protoreflect.ValueOfInt32(int32(v))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(v))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(rng.NormFloat64())
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(string(rune('a' + v%26)))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte{byte(v), byte(v >> 8)}[:v%3])
	}
	return protoreflect.ValueOfUint64(v)
}

// mixed is an encoded message whose fields at every depth are in another order, whose
// packed lists may be single fields, and in which unknown fields turn up.
func mixed(b []byte, of protoreflect.MessageDescriptor, rng *rand.Rand) []byte {
	var list [][]byte
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeField(b)
		_, _, tag := protowire.ConsumeTag(b)
		f, field := of.Fields().ByNumber(number), b[:n]
		if kind == protowire.BytesType {
			content, _ := protowire.ConsumeBytes(b[tag:n])
			switch {
			case f.Message() != nil:
				field = protowire.AppendBytes(protowire.AppendTag(nil, number, kind), mixed(content, f.Message(), rng))
			case f.IsList() && f.IsPacked() && f.Kind() != protoreflect.DoubleKind && f.Kind() != protoreflect.Fixed64Kind && rng.IntN(2) == 0:
				field = nil
				for len(content) > 0 {
					v, n := protowire.ConsumeVarint(content)
					field, content = protowire.AppendVarint(protowire.AppendTag(field, number, protowire.VarintType), v), content[n:]
				}
			}
		}
		list, b = append(list, field), b[n:]
	}
	if rng.IntN(3) == 0 {
		list = append(list, protowire.AppendFixed32(protowire.AppendTag(nil, 1+protowire.Number(rng.IntN(20)), protowire.Fixed32Type), 7))
	}
	if rng.IntN(3) == 0 {
		list = append(list, protowire.AppendBytes(protowire.AppendTag(nil, 900, protowire.BytesType), []byte("later")))
	}
	if rng.IntN(3) == 0 { // elements of a list keep their order
		rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	}
	return slices.Concat(list...)
}

// plausible changes a message of chance so that most of what is in it is in bounds.
func plausible(m *pb.Report, h *Hello, rng *rand.Rand) {
	for i, w := range m.Workers {
		w.Index = []uint32{0, 1, 3}[i%3]
		w.Records, w.Units, w.Bypassed, w.StateKeys = small(w.Records), small(w.Units), small(w.Bypassed), small(w.StateKeys)
		w.Busy, w.Queue, w.Cpu = math.Abs(w.Busy)/2, math.Abs(w.Queue)/2, math.Abs(w.Cpu)/2
		for _, s := range w.Realised {
			s.Count = small(s.Count)
		}
		if l := w.Latency; l != nil {
			for i := range l.Buckets {
				l.Buckets[i] = uint32(i*200) + l.Buckets[i]%200
			}
			for len(l.Counts) < len(l.Buckets) {
				l.Counts = append(l.Counts, 1)
			}
			l.Counts = l.Counts[:len(l.Buckets)]
			for i, n := range l.Counts {
				l.Counts[i] = small(n)
			}
		}
	}
	for _, w := range m.Workers {
		x := w.Times
		if x == nil {
			continue
		}
		x.Records, x.TotalNs, x.Scatter = small(x.Records), small(x.TotalNs), math.Abs(x.Scatter)
		for i, k := range x.Keys {
			k.Hash, k.Records, k.TotalNs = uint64(i)<<32+k.Hash>>32, 1+small(k.Records), small(k.TotalNs)
		}
		x.SlotRecords, x.SlotTotalNs = nil, nil
		for i := range x.Slots {
			x.Slots[i] %= 3
			x.SlotRecords, x.SlotTotalNs = append(x.SlotRecords, 1+small(rng.Uint64())), append(x.SlotTotalNs, small(rng.Uint64()))
		}
	}
	m.Partitioners = m.Partitioners[:min(1, len(m.Partitioners))]
	for _, p := range m.Partitioners {
		p.Index, p.Sent, p.Offered, p.Blocked = 1, small(p.Sent), math.Abs(p.Offered), math.Abs(p.Blocked)/2
		p.Slots = make([]uint64, []int{0, h.Shape.Slots}[rng.IntN(2)])
		for i := range p.Slots {
			p.Slots[i] = small(rng.Uint64())
		}
		for _, k := range p.Hot {
			k.Count, k.Error = small(k.Count), small(k.Error)
		}
		p.Known, p.KnownErrors = 0, nil
		p.KnownKeys = make([]uint32, rng.IntN(2)*rng.IntN(3))
		p.KnownCounts = make([]uint64, len(p.KnownKeys))
		for i := range p.KnownKeys {
			p.KnownKeys[i] = uint32(rng.IntN(8) / 7)
			p.KnownCounts[i] = small(rng.Uint64())
			if rng.IntN(2) == 0 {
				p.KnownErrors = append(p.KnownErrors, small(rng.Uint64()))
			}
		}
	}
	m.Reducers = m.Reducers[:min(1, len(m.Reducers))]
	for _, n := range m.Reducers {
		n.Index, n.Busy, n.Keys, n.Pairs = 0, math.Abs(n.Busy)/2, small(n.Keys), small(n.Pairs)
	}
	if m.Route != nil {
		m.Route = writeRoute(route())
		m.Route.Keys = m.Route.Keys[:rng.IntN(3)]
	}
}

func small(n uint64) uint64 { return n % (maxCount / 16) }

// Whatever is decoded by hand, in memory that other messages used, gives what the
// library gives: the same values, or the same refusal.
func TestDecodingIsTheLibrarys(t *testing.T) {
	h := hello()
	taken, refused, referred := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		encoded := func(m proto.Message) []byte {
			b, err := proto.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			b = mixed(b, m.ProtoReflect().Descriptor(), rng)
			if len(b) > 0 && rng.IntN(3) == 0 { // broken
				for range 1 + rng.IntN(3) {
					b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
				}
				b = b[:len(b)-rng.IntN(min(3, len(b)))]
			}
			return b
		}
		var report pb.Report
		fill(report.ProtoReflect(), rng)
		if rng.IntN(4) > 0 {
			plausible(&report, h, rng)
		}
		check := func(b []byte, keys *Keys, known *naiveKeys) {
			want, wrong := naiveReport(b, h, known)
			request, at := begin(nil, 2)
			request = end(append(request, b...), at)
			if known != nil {
				request = deflated(b, 3)
			}
			_, err := TakeReport(request, h, keys, func(got *reports.Report) error {
				if diff := gocmp.Diff(want, got, equalEmpty); diff != "" {
					t.Fatalf("-library +by hand:\n%s", diff)
				}
				taken++
				return nil
			})
			if (err != nil) != (wrong != nil) || (err == ErrGarbage) != (wrong == ErrGarbage) {
				t.Fatalf("by hand: %v; the library: %v", err, wrong)
			}
			if wrong == errRefused {
				refused++
			}
		}
		b := encoded(&report)
		keys := NewKeys(h, 1<<20)
		check(b, keys, nil)
		var known naiveKeys
		check(b, keys, &known)
		for range 4 {
			if len(known) != len(keys.known) { // the report was refused halfway
				break
			}
			var next pb.Report
			fill(next.ProtoReflect(), rng)
			plausible(&next, h, rng)
			for _, p := range next.Partitioners {
				p.Known = keys.print
			}
			before := taken
			check(encoded(&next), keys, &known)
			if taken > before && len(next.Partitioners) > 0 && len(next.Partitioners[0].KnownKeys) > 0 {
				referred++
			}
		}
		var decision pb.Decision
		fill(decision.ProtoReflect(), rng)
		if decision.Route != nil && rng.IntN(2) == 0 {
			decision.Route = writeRoute(route())
		}
		if rng.IntN(2) == 0 {
			decision.Route = nil
		}
		if rng.IntN(2) == 0 {
			decision.Capacities, decision.Waiting, decision.Load = []uint32{0, 4096, 8000, rng.Uint32()}, decision.Waiting[:0], rng.Uint32()>>rng.IntN(32)
			for range 4 * rng.IntN(2) {
				decision.Waiting = append(decision.Waiting, rng.Int32()-rng.Int32())
			}
		}
		if c := decision.Change; c != nil && rng.IntN(4) > 0 {
			c.Base, c.Workers = route().Version, c.Workers[:min(len(c.Workers), len(c.Slots))]
			c.Slots = c.Slots[:len(c.Workers)]
			for i := range c.Slots {
				c.Slots[i], c.Workers[i] = c.Slots[i]%3, c.Workers[i]%4
			}
			c.Keys = writeRoute(route()).Keys[:rng.IntN(3)]
			c.Gone = append(c.Gone, 77)
		}
		b = encoded(&decision)
		answer, ok := decodeAnswer(b, 4, route())
		wanted, garbage := naiveAnswer(b, 4, route())
		if ok != (garbage == nil) {
			t.Fatalf("decoded: %v; the library: %v", ok, garbage)
		}
		sameAnswer(t, answer, wanted)
	})
	t.Logf("%d reports taken, %d of them with known keys, %d refused", taken, referred, refused)
	if taken == 0 || refused == 0 || referred == 0 {
		t.Error("the draw is one-sided")
	}
}

// sameAnswer compares what was decoded by hand and by the library; nil: nothing.
func sameAnswer(t interface{ Fatalf(string, ...any) }, got, want *Answer) {
	if got == nil || want == nil {
		return
	}
	if (got.Err != nil) != (want.Err != nil) || got.Window != want.Window {
		t.Fatalf("%+v, want %+v", got, want)
	}
	if got.Err == nil && !gocmp.Equal([]any{got.Route, got.Capacities}, []any{want.Route, want.Capacities}, equalEmpty) {
		t.Fatalf("%+v and %+v, want %+v and %+v", got.Route, got.Capacities, want.Route, want.Capacities)
	}
}

func drawReport(t *rapid.T) *reports.Report {
	count := rapid.OneOf(rapid.Int64Range(0, 3), rapid.Int64Range(0, maxCount/16)) // lists of them add up to less than may be
	ratio := rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(0, 1))
	r := &reports.Report{Slide: uint64(count.Draw(t, "slide"))}
	for _, i := range []int{0, 1, 3}[:rapid.IntRange(0, 3).Draw(t, "workers")] {
		w := reports.Worker{
			Index: i, Records: count.Draw(t, "records"), Units: count.Draw(t, "units"), Busy: ratio.Draw(t, "busy"), Queue: ratio.Draw(t, "queue"),
			CPU: ratio.Draw(t, "cpu"), Bypassed: count.Draw(t, "bypassed"), StateKeys: count.Draw(t, "keys"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "realised") {
			w.Realised = append(w.Realised, reports.Realised{Hash: rapid.Uint64().Draw(t, "hash"), Count: count.Draw(t, "count")})
		}
		if rapid.Bool().Draw(t, "latency") {
			w.Latency = &reports.Latency{Buckets: []uint32{3, 4000}, Counts: []int64{count.Draw(t, "count"), 1}, Max: 5}
		}
		if rapid.Bool().Draw(t, "times") {
			w.Times = policy.Times{Records: 1 + count.Draw(t, "timed"), Total: 7, Scatter: ratio.Draw(t, "scatter")}
			for i := range rapid.IntRange(0, 2).Draw(t, "timed keys") {
				w.Times.Keys = append(w.Times.Keys, policy.KeyTime{Hash: uint64(i), Name: "a", Records: 1, Total: 200})
			}
			for _, s := range rapid.SampledFrom([][]int32{nil, {0}, {3}, {0, 1, 2, 7}}).Draw(t, "timed slots") {
				w.Times.Slots = append(w.Times.Slots, policy.SlotTime{Slot: s, Records: 1 + count.Draw(t, "timed"), Total: 300})
			}
		}
		r.Workers = append(r.Workers, w)
	}
	if rapid.Bool().Draw(t, "partitioner") {
		p := reports.Partitioner{
			Index: 1, Sent: count.Draw(t, "sent"), Offered: rapid.Float64Range(0, maxRate).Draw(t, "offered"), Blocked: ratio.Draw(t, "blocked"),
			RouteVersion: uint64(count.Draw(t, "version")), RouteChanged: rapid.Bool().Draw(t, "changed"),
			Share: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "share"), Name: rapid.SampledFrom([]string{"", "hash"}).Draw(t, "name"),
		}
		for range rapid.IntRange(0, 40).Draw(t, "hot") {
			p.Hot = append(p.Hot, policy.HotKey{
				Hash: rapid.Uint64().Draw(t, "hash"), Name: string(rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "name")),
				Count: count.Draw(t, "count"), Error: count.Draw(t, "error"),
			})
		}
		for range rapid.SampledFrom([]int{0, 8}).Draw(t, "slots") {
			p.Slots = append(p.Slots, count.Draw(t, "slot"))
		}
		if len(p.Share) == 0 {
			p.Share = nil
		}
		r.Partitioners = []reports.Partitioner{p}
	}
	if rapid.Bool().Draw(t, "reducer") {
		r.Reducers = []reports.Reducer{{Busy: ratio.Draw(t, "busy"), Keys: count.Draw(t, "keys"), Pairs: count.Draw(t, "pairs")}}
	}
	if rapid.IntRange(0, 4).Draw(t, "route") == 0 {
		r.Route = route()
	}
	return r
}

// Reports are encoded as the library does it, and come back through memory that other
// reports have used.
func TestReportsAreEncodedAsByTheLibrary(t *testing.T) {
	h, keys := hello(), NewKeys(hello(), 1<<20)
	rapid.Check(t, func(t *rapid.T) {
		r := drawReport(t)
		got := AppendReport([]byte("before"), r)[len("before"):]
		want, err := proto.Marshal(&pb.AttachRequest{Message: &pb.AttachRequest_Report{Report: writeReport(r)}})
		if err != nil || string(got) != string(want) {
			t.Fatalf("%v: %x, want %x", err, got, want)
		}
		comesBack := func(request []byte) {
			taken := 0
			slide, err := TakeReport(request, h, keys, func(back *reports.Report) error {
				taken++
				if diff := gocmp.Diff(r, back, equalEmpty); diff != "" {
					t.Fatalf("-want +got:\n%s", diff)
				}
				return nil
			})
			if err != nil || slide != r.Slide || taken != 1 {
				t.Fatalf("slide %d taken %d times: %v", slide, taken, err)
			}
		}
		comesBack(got)
		if r.Route != nil {
			without := *r
			without.Route = nil
			comesBack(AddRoute(AppendReport(nil, &without), r.Route))
		}
	})
}

// Lists in used memory are empty where new ones are nil.
var equalEmpty = gocmp.FilterValues(func(a, b any) bool { return empty(a) && empty(b) }, gocmp.Ignore())

func empty(v any) bool {
	switch v := v.(type) {
	case []reports.Worker:
		return len(v) == 0
	case []reports.Partitioner:
		return len(v) == 0
	case []reports.Reducer:
		return len(v) == 0
	case []reports.Realised:
		return len(v) == 0
	case []policy.KeyTime:
		return len(v) == 0
	case []policy.SlotTime:
		return len(v) == 0
	case []policy.HotKey:
		return len(v) == 0
	case []int64:
		return len(v) == 0
	case []uint32:
		return len(v) == 0
	case []byte:
		return len(v) == 0
	case []uint16:
		return len(v) == 0
	case []float64:
		return len(v) == 0
	case []policy.KeyRoute:
		return len(v) == 0
	}
	return false
}

// Decisions are encoded as the library does it and mean the same to a client.
func TestDecisionsAreEncodedAsByTheLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := &Decision{Window: rapid.Uint64().Draw(t, "window"), Incomplete: rapid.Bool().Draw(t, "incomplete"), Busy: []float64{0.5, -1, 0, 1}}
		m := &pb.Decision{Window: d.Window, Incomplete: d.Incomplete, Busy: d.Busy}
		if rapid.Bool().Draw(t, "route") {
			d.Route, d.Start = route(), rapid.Uint64().Draw(t, "start")
			m.Route, m.Start = writeRoute(d.Route), d.Start
		}
		if rapid.Bool().Draw(t, "shares") {
			d.Shares = [][]byte{{1}, nil}
			m.Shares = d.Shares
		}
		if rapid.Bool().Draw(t, "capacities") {
			d.Capacities = &policy.Capacities{Of: []float64{0, 0.25, 0.75, 0}}
			m.Capacities = []uint32{0, 4096, 3 * 4096, 0}
			m.Load = rapid.Uint32Range(0, 4096).Draw(t, "load")
			d.Capacities.Load = float64(m.Load) / 4096
			if rapid.Bool().Draw(t, "waiting") {
				d.Capacities.Waiting = []float64{0, -3, 4000, -3997}
				m.Waiting = []int32{0, -3, 4000, -3997}
			}
		}
		got := AppendDecision(nil, d)
		want, err := proto.Marshal(&pb.AttachResponse{Message: &pb.AttachResponse_Decision{Decision: m}})
		if err != nil || string(got) != string(want) {
			t.Fatalf("%v: %x, want %x", err, got, want)
		}
		a, other, err := ReadResponse(got, 4, nil, 1<<20)
		if err != nil || other != nil || a.Window != d.Window || a.Err != nil {
			t.Fatalf("%+v, %v, %v", a, other, err)
		}
		if diff := gocmp.Diff([]any{d.Route, d.Capacities}, []any{a.Route, a.Capacities}); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
	})
}

// What is not alone in its message, or is something else, takes the library's way.
func TestOddRequests(t *testing.T) {
	encoded := func(m *pb.AttachRequest) []byte {
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	good := AppendReport(nil, &reports.Report{Slide: 5, Workers: []reports.Worker{{Index: 3, Records: 2}}})
	more := AppendReport(nil, &reports.Report{Workers: []reports.Worker{{Index: 0}}})
	h := encoded(&pb.AttachRequest{Message: &pb.AttachRequest_Hello{Hello: WriteHello(hello())}})
	for _, c := range []struct {
		why     string
		b       []byte
		workers int // in the report
		want    error
	}{
		{"a report", good, 1, nil},
		{"a report in two parts, which are one", slices.Concat(good, more), 2, nil},
		{"a report after a hello, which it replaces", slices.Concat(h, good), 1, nil},
		{"a hello after a report, which it replaces", slices.Concat(good, h), 0, ErrNoReport},
		{"a hello", h, 0, ErrNoReport},
		{"nothing", nil, 0, ErrNoReport},
		{"a later version's message", protowire.AppendBytes(protowire.AppendTag(nil, 9, protowire.BytesType), nil), 0, ErrNoReport},
		{"half a report", good[:len(good)-1], 0, ErrGarbage},
		{"noise", []byte{0xff, 0xff}, 0, ErrGarbage},
		{"a report with noise in it", protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), []byte{0xff}), 0, ErrGarbage},
	} {
		workers := 0
		_, err := TakeReport(c.b, hello(), nil, func(r *reports.Report) error {
			workers = len(r.Workers)
			return nil
		})
		if err != c.want || workers != c.workers {
			t.Errorf("%s: %d workers, error %v", c.why, workers, err)
		}
	}
	if a, m, err := ReadResponse([]byte{0xff}, 4, nil, 1<<20); a != nil || m != nil || err != ErrGarbage {
		t.Errorf("noise is answered with %v, %v, %v", a, m, err)
	}
}

// Reports are decoded in memory that is used again.
func TestReportsComeInUsedMemory(t *testing.T) {
	h := hello()
	h.Shape.Workers, h.Shape.Slots, h.Workers = 64, 4096, Ranges{{0, 64}}
	r := &reports.Report{Slide: 1, Workers: make([]reports.Worker, 64), Partitioners: []reports.Partitioner{{Index: 1, Slots: make([]int64, 4096)}}}
	for i := range r.Workers {
		r.Workers[i] = reports.Worker{Index: i, Records: 1000, Busy: 0.5}
	}
	for i := range 256 {
		r.Partitioners[0].Hot = append(r.Partitioners[0].Hot, policy.HotKey{Hash: uint64(i) << 20, Name: "key", Count: math.MaxInt32})
	}
	b, keys := AppendReport(nil, r), NewKeys(h, 1<<20)
	again := func(*reports.Report) error { return nil }
	n := testing.AllocsPerRun(100, func() {
		b = AppendReport(b[:0], r)
		if _, err := TakeReport(b, h, keys, again); err != nil {
			t.Fatal(err)
		}
	})
	if n > 200 { // of some 700; the pool may be emptied meanwhile, and is on purpose under the race detector
		t.Errorf("%v allocations for a report", n)
	}
}

// What reports held does not stay: neither the length of what was refused, nor a long
// list of each worker, one report after the other.
func TestUsedMemoryDoesNotGrow(t *testing.T) {
	const workers = 256
	h := hello()
	h.Shape.Workers, h.Workers = workers, Ranges{{0, workers}}
	take := func(b []byte) error {
		_, err := TakeReport(b, h, nil, func(*reports.Report) error { return nil })
		return err
	}
	r := &reports.Report{Workers: make([]reports.Worker, workers)}
	long := make([]reports.Realised, maxLists*h.Shape.KeyLimit())
	for i := range r.Workers {
		r.Workers[i] = reports.Worker{Index: i, Realised: long}
		if err := take(AppendReport(nil, r)); err != nil {
			t.Fatal(err)
		}
		r.Workers[i].Realised = nil
	}
	b, at := begin(nil, 2)
	for range 1 << 16 {
		b = protowire.AppendBytes(protowire.AppendTag(b, 2, protowire.BytesType), nil)
	}
	if err := take(end(b, at)); err == nil {
		t.Fatal("65536 workers are taken")
	}
	left := readings.Get().(*reading)
	list, elements := left.report.Workers[:cap(left.report.Workers)], 0
	for i := range list {
		elements += cap(list[i].Realised)
	}
	if len(list) > 4*workers || elements > maxRead/2 { // an element has two bytes at least
		t.Errorf("memory for %d workers and %d realised shares stays", len(list), elements)
	}
}

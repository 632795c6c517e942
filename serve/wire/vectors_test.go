package wire

import (
	"bytes"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	pb "github.com/saspart/saspart/proto/saspart/v1"
)

var update = flag.Bool("update", false, "rewrite the vectors in testdata/serve")

// vectors are messages of a stream in their compact and plain forms, which implementations
// in other languages make and read too. All are encoded.
type vectors struct {
	About    string           `json:"about"`
	KeyLimit int              `json:"key_limit"` // of the job's shape
	Reports  []packedVector   `json:"reports"`
	Base     []byte           `json:"base"`
	Changes  []changeVector   `json:"changes"`
	Limits   []capacityVector `json:"capacities"`
}

// packedVector is the next report of a stream. Forget says that one was rejected before.
type packedVector struct {
	Forget bool   `json:"forget,omitempty"`
	Plain  []byte `json:"plain"`
	Packed []byte `json:"packed"` // before it is deflated
}

// changeVector is the next decision of a stream.
type changeVector struct {
	Decision []byte `json:"decision"`
	Route    []byte `json:"route"`
}

// capacityVector is a decision with capacities for four workers.
type capacityVector struct {
	Decision []byte    `json:"decision"`
	Of       []float64 `json:"of"`
	Waiting  []float64 `json:"waiting,omitempty"`
	Load     float64   `json:"load,omitempty"`
}

func makeVectors(t *testing.T) *vectors {
	h := hello()
	h.Partitioners, h.Shape.Named = Ranges{{0, 2}}, 0
	v := &vectors{About: "Messages of a stream to the policy server (serve/PROTOCOL.md), in order.", KeyLimit: h.Shape.KeyLimit()}
	rng := rand.New(rand.NewPCG(5, 6))
	packer := NewPacker(h)
	plain := func(r *reports.Report) []byte { return appendReport(nil, r, nil) }
	for i := range 14 {
		r := drawLarge(rng, h)
		for k := range r.Partitioners { // without the key that some reports list twice
			hot := r.Partitioners[k].Hot
			slices.SortFunc(hot, func(a, b policy.HotKey) int { return int(b.Count - a.Count) })
			seen := map[uint64]bool{}
			r.Partitioners[k].Hot = slices.DeleteFunc(hot, func(k policy.HotKey) bool {
				twice := seen[k.Hash]
				seen[k.Hash] = true
				return twice
			})
		}
		next := packedVector{Forget: i == 5, Plain: plain(r)}
		if next.Forget {
			packer.Forget()
		}
		next.Packed = appendReport(nil, r, packer)
		v.Reports = append(v.Reports, next)
	}
	base := policy.HashRoute(300)
	base.Version = 7
	content := func(b []byte) []byte {
		body, ok := alone(b, 2)
		if !ok {
			t.Fatal("not a decision")
		}
		return body
	}
	routeOf := func(r *policy.Route) []byte {
		b, err := proto.Marshal(WriteRoute(r))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	v.Base = routeOf(base)
	for range 5 {
		sent := drawRoute(rng, base)
		frame := AppendDecision(nil, &Decision{Window: 3, Route: sent, Base: base})
		a, _, err := ReadResponse(frame, 300, base, 1<<20)
		if err != nil || a.Err != nil {
			t.Fatal(err, a)
		}
		base = a.Route // with its keys in another order than those of sent
		v.Changes = append(v.Changes, changeVector{content(frame), routeOf(base)})
	}
	for _, c := range []*policy.Capacities{
		{Of: []float64{0.25, 0.25, 0.25, 0.25}}, {Of: []float64{0.125, 0.5, 0.375, 0}, Waiting: []float64{-1, 0, 300, -299}, Load: 0.75},
	} {
		v.Limits = append(v.Limits, capacityVector{content(AppendDecision(nil, &Decision{Capacities: c})), c.Of, c.Waiting, c.Load})
	}
	return v
}

// The vectors are what this package makes, and it reads them.
func TestVectors(t *testing.T) {
	const path = "../../testdata/serve/messages.json"
	text, err := json.MarshalIndent(makeVectors(t), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	if *update {
		if err := os.WriteFile(path, text, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, want) {
		t.Errorf("%s has other messages than this package makes; -update rewrites it", path)
	}
	for i, c := range makeVectors(t).Changes {
		var m pb.Decision
		if err := proto.Unmarshal(c.Decision, &m); err != nil || m.Change == nil {
			t.Errorf("change %d: %v, %v", i, &m, err)
		}
	}
}

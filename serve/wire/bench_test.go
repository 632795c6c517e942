package wire

import (
	"math/rand/v2"
	"testing"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
)

// busyJob is the report of all subtasks of a job of P workers, and the hello of its stream.
func busyJob(workers int) (*reports.Report, *Hello) {
	h := hello()
	h.Shape.Workers, h.Shape.Partitioners, h.Shape.Slots = workers, 1, policy.SlotCount(workers)
	h.Workers, h.Partitioners = Ranges{{0, workers}}, Ranges{{0, 1}}
	rng := rand.New(rand.NewPCG(1, 2))
	r := &reports.Report{Slide: 12345, Workers: make([]reports.Worker, workers), Partitioners: make([]reports.Partitioner, 1)}
	for i := range r.Workers {
		w := reports.Worker{Index: i, Records: 1000, Units: 5000, Busy: 0.5, Queue: 0.25, CPU: 0.4, StateKeys: 300, Latency: &reports.Latency{Max: 1e6}}
		for b := range uint32(50) {
			w.Latency.Buckets, w.Latency.Counts = append(w.Latency.Buckets, 1000+b), append(w.Latency.Counts, rng.Int64N(100))
		}
		for range 8 {
			w.Realised = append(w.Realised, reports.Realised{Hash: rng.Uint64(), Count: rng.Int64N(100)})
		}
		r.Workers[i] = w
	}
	p := &r.Partitioners[0]
	p.Sent, p.Offered, p.RouteVersion, p.Name = int64(1000*workers), 1e5, 17, "policy"
	for range h.Shape.HotKeys() {
		p.Hot = append(p.Hot, policy.HotKey{Hash: rng.Uint64(), Name: "a key's name", Count: rng.Int64N(1000), Error: 3})
	}
	for range h.Shape.Slots {
		p.Slots = append(p.Slots, rng.Int64N(200))
	}
	return r, h
}

func BenchmarkTakeReport(b *testing.B) {
	for name, workers := range map[string]int{"P=8": 8, "P=64": 64} {
		b.Run(name, func(b *testing.B) {
			r, h := busyJob(workers)
			encoded, keys := AppendReport(nil, r), NewKeys(h, 1<<20)
			b.ReportAllocs()
			b.SetBytes(int64(len(encoded)))
			for b.Loop() {
				if _, err := TakeReport(encoded, h, keys, func(*reports.Report) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReadResponse(b *testing.B) {
	const workers = 64
	r := policy.HashRoute(workers)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 256 {
		k := policy.KeyRoute{Hash: rng.Uint64(), Name: "a key's name", Workers: []uint16{uint16(i % workers)}, Shares: []float64{1}}
		if i < 32 {
			k.Workers, k.Shares = []uint16{3, 9, 17}, []float64{0.25, 0.25, 0.5}
		}
		r.Keys = append(r.Keys, k)
	}
	encoded := AppendDecision(nil, &Decision{Window: 9, Route: r, Busy: make([]float64, workers), Start: 40})
	b.ReportAllocs()
	b.SetBytes(int64(len(encoded)))
	for b.Loop() {
		if a, _, err := ReadResponse(encoded, workers, nil, 1<<20); err != nil || a.Err != nil {
			b.Fatal(err, a)
		}
	}
}

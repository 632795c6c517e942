package registry

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/saspart/saspart/config/strict"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

var update = flag.Bool("update", false, "rewrite the vectors in testdata/routing")

// The vectors in testdata/routing record what the routers do, record by record, to compare
// the routers of other languages with them:
//
//   - streams.json.gz: records, by the name of the stream,
//   - routes.json.gz: routes, by name,
//   - one file per partitioner: its cases, one a line,
//   - numbers.json: hashes, random numbers and heavy hitters.
const vectorsDir = "../../testdata/routing"

// vectorStream is a stream of records: keys, and by step and subtask the records
// as indices into them.
type vectorStream struct {
	Keys   []string    `json:"keys,omitempty"` // base64 of the bytes
	Hashes []string    `json:"hashes"`         // of the keys, in hex; without keys, hashes that no key need have
	Steps  [][][]int32 `json:"steps"`
}

// vectorRoute is a policy.Route.
type vectorRoute struct {
	Version uint64      `json:"version"`
	Keys    []vectorKey `json:"keys"`
	Slots   []uint16    `json:"slots"`
}

type vectorKey struct {
	Hash    string    `json:"hash"`
	Workers []uint16  `json:"workers"`
	Shares  []float64 `json:"shares"`
}

// vectorCase is a job's partitioner, what happens to it, and where it sends the
// records.
type vectorCase struct {
	Why          string          `json:"why"`
	Options      json.RawMessage `json:"options"`
	Workers      int             `json:"workers"`
	Subtasks     int             `json:"subtasks"`
	SlideMS      int64           `json:"slide_ms"`
	WindowSlides int             `json:"window_slides"`
	MetricSlides int             `json:"metric_slides"`
	Seed         uint64          `json:"seed"`
	Stream       string          `json:"stream"`
	Steps        []vectorStep    `json:"steps"`
	First        [][]int32       `json:"first"`   // by subtask: the first destinations of step 1, as signed numbers
	Digests      [][]string      `json:"digests"` // by step and subtask: FNV-1a of the destinations, 4 bytes each, the lowest first
}

// vectorStep is a slide. Routes, busy ratios and gossip are handed over, then records are
// routed, the slide ends, and gossip is collected.
type vectorStep struct {
	Slide      int64             `json:"slide"`
	Follow     string            `json:"follow,omitempty"`     // a route's name
	Capacities *vectorCapacities `json:"capacities,omitempty"` // set before the route is followed
	Observe    []*float64        `json:"observe,omitempty"`    // busy ratio by worker, null where it is missing
	Absorb     bool              `json:"absorb,omitempty"`     // the shares that were taken last
	Lost       int               `json:"lost,omitempty"`       // how many of these, from the front, are missing
	Share      bool              `json:"share,omitempty"`
}

// vectorCapacities are policy.Capacities.
type vectorCapacities struct {
	Of      []float64 `json:"of"`
	Waiting []float64 `json:"waiting,omitempty"`
	Load    float64   `json:"load,omitempty"`
}

// run routes the case's stream and notes the destinations.
func (c *vectorCase) run(t *testing.T, streams map[string]vectorStream, routes map[string]*policy.Route) {
	cfg := Default()
	if _, err := strict.Load("options", c.Options, &cfg, strict.Layers{}); err != nil {
		t.Fatalf("%s: %v", c.Why, err)
	}
	scheme, err := New(cfg, c.Workers)
	if err != nil {
		t.Fatalf("%s: %v", c.Why, err)
	}
	routers := make([]partition.Router, c.Subtasks)
	for i := range routers {
		routers[i] = scheme.NewRouter(partition.Env{
			Workers: c.Workers, Subtask: i, Subtasks: c.Subtasks, Slide: time.Duration(c.SlideMS) * time.Millisecond,
			WindowSlides: c.WindowSlides, MetricSlides: c.MetricSlides, Seed: c.Seed,
		})
	}
	s := streams[c.Stream]
	keys := s.decode(t)
	shares := make([]any, c.Subtasks)
	for at, step := range c.Steps {
		var digests []string
		for i, r := range routers {
			step.begin(r, routes, append(make([]any, step.Lost), shares[step.Lost:]...))
			records := s.Steps[at][i]
			dst := make([]partition.Dest, len(records))
			for j := range records { // one by one, as in other languages
				r.Route(keys.batch(records[j:j+1]), dst[j:j+1])
			}
			digests = append(digests, digest(dst))
			if at == 1 {
				c.First = append(c.First, signed(dst[:min(len(dst), 24)]))
			}
		}
		c.Digests = append(c.Digests, digests)
		taken := make([]any, c.Subtasks)
		for i, r := range routers {
			r.EndSlide(step.Slide)
			if step.Share {
				taken[i] = r.(partition.Gossiper).Gossip()
			}
		}
		if step.Share {
			shares = taken
		}
	}
}

// begin hands a router what the slide begins with.
func (s *vectorStep) begin(r partition.Router, routes map[string]*policy.Route, shares []any) {
	if c := s.Capacities; c != nil {
		r.(partition.CapacityFollower).SetCapacities(&policy.Capacities{Of: c.Of, Waiting: c.Waiting, Load: c.Load})
	}
	if s.Follow != "" {
		r.(partition.RouteFollower).Follow(routes[s.Follow], s.Slide)
	}
	if s.Observe != nil {
		w := policy.Window{}
		for _, b := range s.Observe {
			if b == nil {
				w.Busy = append(w.Busy, math.NaN())
			} else {
				w.Busy = append(w.Busy, *b)
			}
		}
		r.(partition.Learner).Observe(&w)
	}
	if s.Absorb {
		r.(partition.Gossiper).Absorb(shares)
	}
}

// vectorKeys are the keys of a stream.
type vectorKeys struct {
	names  []string
	hashes []uint64
}

func (s vectorStream) decode(t *testing.T) vectorKeys {
	var k vectorKeys
	for i, h := range s.Hashes {
		k.names = append(k.names, h)
		if s.Keys != nil {
			name, err := base64.StdEncoding.DecodeString(s.Keys[i])
			if err != nil {
				t.Fatal(err)
			}
			k.names[i] = string(name)
		}
		hash, err := parseHash(h)
		if err != nil {
			t.Fatal(err)
		}
		k.hashes = append(k.hashes, hash)
	}
	return k
}

func (k vectorKeys) batch(records []int32) *stream.Batch {
	b := &stream.Batch{}
	b.Resize(len(records))
	for i, key := range records {
		b.Hashes[i] = k.hashes[key]
		b.Records[i] = stream.Record{Key: k.names[key], Hash: k.hashes[key]}
	}
	return b
}

func formatHash(h uint64) string { return fmt.Sprintf("%016x", h) }

func parseHash(s string) (h uint64, err error) {
	_, err = fmt.Sscanf(s, "%016x", &h)
	return h, err
}

func digest(dst []partition.Dest) string {
	h := fnv.New64a()
	for _, d := range dst {
		h.Write([]byte{byte(d), byte(d >> 8), byte(d >> 16), byte(d >> 24)})
	}
	return formatHash(h.Sum64())
}

func signed(dst []partition.Dest) []int32 {
	out := make([]int32, len(dst))
	for i, d := range dst {
		out[i] = int32(d)
	}
	return out
}

// TestVectors fails when a router does not do what the vectors say. Then either the router is
// wrong, or the vectors are to be rewritten (-update) and the Java routers to be changed
// accordingly.
func TestVectors(t *testing.T) {
	streams, routes := vectorStreams(), vectorRoutes()
	checkVectors(t, "streams.json.gz", lines(t, streams))
	checkVectors(t, "routes.json.gz", lines(t, encodeRoutes(routes)))
	checkVectors(t, "numbers.json", lines(t, vectorNumbers(t, streams["many"])))
	for _, name := range vectorNames {
		t.Run(name, func(t *testing.T) {
			if strings.HasPrefix(name, "dalton") && fuses(1+0x1p-30) {
				t.Skip("x*y+z is computed in one step on this machine, which turns ties in what is learned another way")
			}
			cases := map[string]*vectorCase{}
			for i, c := range vectorCases(name) {
				c.run(t, streams, routes)
				cases[fmt.Sprintf("%02d", i)] = &c
			}
			checkVectors(t, name+".json", lines(t, cases))
		})
	}
}

// fuses reports whether the compiler rounds x*x-z once, as it may where the machine
// can, and does on arm64; x is 1+2^-30.
//
//go:noinline
func fuses(x float64) bool { return x*x-(1+0x1p-29) != 0 }

// lines is a JSON object with a line for each of its fields.
func lines[V any](t *testing.T, fields map[string]V) []byte {
	var out []string
	for _, name := range sortedKeys(fields) {
		value, err := json.Marshal(fields[name])
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%q: %s", name, value))
	}
	return []byte("{\n" + strings.Join(out, ",\n") + "\n}\n")
}

// checkVectors compares a file with what it should hold, or writes it.
func checkVectors(t *testing.T, name string, want []byte) {
	t.Helper()
	path := filepath.Join(vectorsDir, name)
	zipped := strings.HasSuffix(name, ".gz")
	if *update {
		data := want
		if zipped {
			var b bytes.Buffer
			z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
			z.Write(want)
			z.Close()
			data = b.Bytes()
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if zipped {
		z, err := gzip.NewReader(bytes.NewReader(got))
		if err == nil {
			got, err = io.ReadAll(z)
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: the routers do something else; if they should, rewrite it: go test ./partition/registry -run TestVectors -update\n%s",
			path, firstDifference(got, want))
	}
}

// firstDifference shows the first line that differs, from a little before where.
func firstDifference(got, want []byte) string {
	a, b := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			continue
		}
		at := 0
		for at < min(len(a[i]), len(b[i])) && a[i][at] == b[i][at] {
			at++
		}
		show := func(s string) string { return s[max(0, at-60):min(len(s), at+60)] }
		return fmt.Sprintf("line %d:\n file %s\n now  %s", i+1, show(a[i]), show(b[i]))
	}
	return fmt.Sprintf("%d lines in the file, %d now", len(a), len(b))
}

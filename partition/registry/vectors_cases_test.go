package registry

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"github.com/saspart/saspart/partition/internal/routertest"
	"github.com/saspart/saspart/partition/sketch"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// vectorNames are the partitioners that other languages have too.
var vectorNames = []string{
	"hash", "pkg", "wchoices", "cam", "dagreedy", "flexd", "dalton-original", "dalton-metrics", "dalton-offline", "table", bounded,
}

// bounded names the cases of `table` that are told capacities.
const bounded = "bounded"

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// vectorStreams are the streams that the cases route.
func vectorStreams() map[string]vectorStream {
	rng := rand.New(rand.NewPCG(1, 2))
	names, _ := routertest.Keys(300)
	many, _ := routertest.Keys(8000)
	odd := []string{"", "\x00", "\xff\xfe", "é", "key-00000"}
	for n := 1; len(odd) < 60; n++ {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint64())
		}
		odd = append(odd, string(b))
	}
	raw := []uint64{0, 1, 2, 1 << 63, math.MaxUint64, math.MaxUint64 - 1, math.MaxInt64}
	for i := range uint64(24) {
		raw = append(raw, i<<52, 3<<60|i, 1<<40*i+5)
	}
	slices.Sort(raw)
	raw = slices.Compact(raw)

	s := map[string]vectorStream{
		"drifting": named(names), "bytes": named(odd), "many": named(many), "raw": {},
	}
	for _, h := range raw {
		u := s["raw"]
		u.Hashes = append(u.Hashes, formatHash(h))
		s["raw"] = u
	}
	for _, f := range []struct {
		name                     string
		steps, subtasks, records int
		exponent                 float64
		drift                    int // by how many ranks the keys move every third step
	}{
		{"drifting", 12, 3, 300, 1.3, 3},
		{"bytes", 8, 3, 150, 0.8, 0},
		{"many", 6, 1, 2500, 0.3, 500},
		{"raw", 8, 2, 200, 1, 1},
	} {
		u := s[f.name]
		keys := len(u.Hashes)
		cumulated := stream.ZipfPMF(keys, f.exponent)
		for i := 1; i < keys; i++ {
			cumulated[i] += cumulated[i-1]
		}
		for step := range f.steps {
			records := make([][]int32, f.subtasks)
			for i := range records {
				records[i] = make([]int32, f.records+10*i)
				for j := range records[i] {
					rank := min(sort.SearchFloat64s(cumulated, rng.Float64()), keys-1)
					records[i][j] = int32((rank + step/3*f.drift) % keys)
				}
			}
			u.Steps = append(u.Steps, records)
		}
		s[f.name] = u
	}
	return s
}

// named is a stream of keys of these names, without records yet.
func named(names []string) (s vectorStream) {
	for _, name := range names {
		s.Keys = append(s.Keys, base64.StdEncoding.EncodeToString([]byte(name)))
		s.Hashes = append(s.Hashes, formatHash(stream.Hash(name)))
	}
	return s
}

// vectorRoutes are the routes that table follows: for each P three that differ in
// which keys they name, where they put them and into how many slots.
func vectorRoutes() map[string]*policy.Route {
	routes := map[string]*policy.Route{}
	for _, workers := range []int{1, 3, 8, 64} {
		first := routertest.ThreeTiers(workers, 40, 1.3)
		second := routertest.ThreeTiers(workers, 60, 0.9)
		second.Keys = second.Keys[4:]
		second.Keys[0] = first.Keys[0] // stays split, by other shares
		second.Keys[0].Shares = slices.Clone(first.Keys[0].Shares)
		slices.Reverse(second.Keys[0].Shares)
		for i := range second.Keys {
			k := &second.Keys[i]
			if len(k.Workers) == 1 {
				k.Workers = []uint16{uint16((int(k.Workers[0]) + i%3) % workers)}
			}
		}
		second.Slots = second.Slots[:16]
		third := &policy.Route{Workers: workers, Slots: make([]uint16, 8192)}
		for i := range third.Slots {
			third.Slots[i] = uint16(i * 7 / 64 % workers)
		}
		for i, h := range []uint64{0, 1, math.MaxUint64, 1 << 52, 3 << 60} {
			third.Keys = append(third.Keys, policy.KeyRoute{Hash: h, Workers: []uint16{uint16(i % workers)}, Shares: []float64{1}})
		}
		for i, r := range []*policy.Route{first, second, third} {
			r.Version = uint64(i + 1)
			routes[fmt.Sprintf("%d/%d", workers, i+1)] = r
		}
	}
	return routes
}

func encodeRoutes(routes map[string]*policy.Route) map[string]vectorRoute {
	out := map[string]vectorRoute{}
	for name, r := range routes {
		v := vectorRoute{Version: r.Version, Slots: r.Slots}
		for _, k := range r.Keys {
			v.Keys = append(v.Keys, vectorKey{Hash: formatHash(k.Hash), Workers: k.Workers, Shares: k.Shares})
		}
		out[name] = v
	}
	return out
}

// vectorNumbers are what routers are made of: hashes, random numbers, and a sketch
// of 50 counters over the stream s.
func vectorNumbers(t *testing.T, s vectorStream) map[string]any {
	rng := rand.New(rand.NewPCG(3, 4))
	hashes := [][2]string{}
	for n := range 50 {
		key := make([]byte, n)
		for i := range key {
			key[i] = byte(rng.Uint64())
		}
		hashes = append(hashes, [2]string{base64.StdEncoding.EncodeToString(key), formatHash(stream.Hash(string(key)))})
	}
	type numbers struct {
		Seeds [2]string   `json:"seeds"`
		Bits  []string    `json:"bits"`  // 64 random bits each
		Units []float64   `json:"units"` // then from 0 to below 1
		Below [][2]uint64 `json:"below"` // then a bound, and a number below it
	}
	var random []numbers
	for _, seed := range [][2]uint64{{0, 0}, {1, 2}, {math.MaxUint64, 1 << 63}} {
		r := rand.New(rand.NewPCG(seed[0], seed[1]))
		n := numbers{Seeds: [2]string{formatHash(seed[0]), formatHash(seed[1])}}
		for range 8 {
			n.Bits = append(n.Bits, formatHash(r.Uint64()))
		}
		for range 8 {
			n.Units = append(n.Units, r.Float64())
		}
		for _, most := range []uint64{1, 2, 3, 8, 64, 1000, math.MaxInt64, 3 << 61} {
			n.Below = append(n.Below, [2]uint64{most, r.Uint64N(most)})
		}
		random = append(random, n)
	}
	counters, keys := sketch.NewSpaceSaving(50), s.decode(t)
	for _, step := range s.Steps {
		counters.ObserveBatch(keys.batch(step[0]))
	}
	top := [][4]any{} // key, hash, count, error
	for _, k := range counters.Top(20, nil) {
		top = append(top, [4]any{base64.StdEncoding.EncodeToString([]byte(k.Name)), formatHash(k.Hash), k.Count, k.Error})
	}
	return map[string]any{"hashes": hashes, "random": random, "sketch": top, "floor": counters.Floor()}
}

// setting is a case without what follows from it.
type setting struct {
	why                               string
	options                           string // beside the name
	stream                            string // drifting by default
	workers, subtasks, window, metric int    // 8, 1, 4 and 2 by default
	seed                              uint64
	start                             int64 // the first slide
	gap                               int64 // slides left out after the fourth
	share                             int   // steps between two rounds of gossip, and from a round until it is absorbed
	lost                              int
}

// vectorCases are the cases of a partitioner, not run yet.
func vectorCases(name string) []vectorCase {
	var out []vectorCase
	for _, s := range append(commonSettings(), ownSettings(name)...) {
		out = append(out, s.vector(name))
	}
	return out
}

// commonSettings are what every partitioner is tried with.
func commonSettings() []setting {
	return []setting{
		{why: "one worker", workers: 1},
		{why: "three workers, three subtasks", workers: 3, subtasks: 3, seed: 7},
		{why: "eight workers"},
		{why: "64 workers, three subtasks", workers: 64, subtasks: 3, seed: 1 << 62},
		{why: "any bytes are a key", stream: "bytes", subtasks: 3},
		{why: "hashes at the ends of tables and slots", stream: "raw", workers: 3, subtasks: 2},
		{why: "more keys than tables begin with", stream: "many"},
		{why: "windows of a slide", window: 1, metric: 1},
		{why: "slides counted from 1970, and some without records", start: 3_577_000_000, gap: 9, subtasks: 2},
		{why: "two slides without records", gap: 2},
	}
}

// ownSettings are what only some partitioners know.
func ownSettings(name string) []setting {
	faults := []setting{
		{why: "as published, 8 workers", options: `"published": true`, subtasks: 2},
		{why: "as published, 64 workers", options: `"published": true`, workers: 64},
		{why: "as published, many keys", options: `"published": true`, stream: "many"},
		{why: "as published, slides without records", options: `"published": true`, gap: 7},
	}
	exchanges := []setting{
		{why: "shares taken in a step later", subtasks: 3, share: 1},
		{why: "shares taken in two steps later", subtasks: 3, share: 2, workers: 3},
		{why: "shares of 64 workers, one lost", subtasks: 3, share: 2, workers: 64, lost: 1},
		{why: "as published, shares taken in a step later", options: `"published": true`, subtasks: 3, share: 1},
		{why: "keys counted by sketch", options: `"dalton": {"sketch_from": 40}`, workers: 16},
		{why: "as published, keys counted by sketch", options: `"published": true, "dalton": {"sketch_from": 40}`, workers: 64},
		{why: "other constants", options: `"dalton": {"learning_rate": 0.5, "epsilon": 0.4, "initial": -1, "balance": 0.8, "split_min": 1, "split_max": 3, "split_share": 0.3}`},
	}
	switch name {
	case bounded:
		return []setting{
			{why: "bounds of a hundredth, no credit", options: `"table": {"bound": 0.01, "credit": 0}`},
			{why: "bounds of a tenth, much patience", options: `"table": {"bound": 0.1, "patience": 20}`, workers: 64},
			{why: "as few candidates as can be, forgotten at once", options: `"table": {"candidates": 2, "decay": 1}`, subtasks: 2},
			{why: "as many candidates as can be", options: `"table": {"candidates": 64, "decay": 100}`, workers: 64},
			{why: "no bounds", options: `"table": {"bound": 0}`},
		}
	case "wchoices":
		return append(faults,
			setting{why: "few counters, a long head", options: `"choices": {"counters": 20, "head": 2}`},
			setting{why: "as published, few counters", options: `"published": true, "choices": {"counters": 30}`, subtasks: 2})
	case "cam":
		return faults
	case "dagreedy":
		return append(faults,
			setting{why: "more keys are hot", options: `"dagreedy": {"divisor": 100}`, workers: 64, subtasks: 2},
			setting{why: "load counts for more", options: `"dagreedy": {"affinity": 0.2}`},
			setting{why: "load counts for nothing", options: `"dagreedy": {"affinity": 1, "divisor": 10}`},
			setting{why: "as published, more keys are hot", options: `"published": true, "dagreedy": {"divisor": 30}`})
	case "flexd":
		return append(faults,
			setting{why: "refreshes every second", options: `"flexd": {"refresh": "1s"}`, subtasks: 2},
			setting{why: "refreshes between gaps", options: `"flexd": {"refresh": "600ms", "settle": 0}`, gap: 5},
			setting{why: "as published, refreshes every second", options: `"published": true, "flexd": {"refresh": "1s"}`},
			setting{why: "other constants", options: `"flexd": {"threshold": 0.03, "growth": 1.5, "settle": 100}`, workers: 64})
	case "dalton-original", "dalton-metrics":
		return append(faults, exchanges...)
	case "dalton-offline":
		return append(faults,
			setting{why: "few hot keys", options: `"dalton_offline": {"hot_keys": 3, "hysteresis": 0, "smoothing": 1}`},
			setting{why: "hot keys given", options: `"dalton_offline": {"keys": ["key-00000", "key-00002", "key-00001", "none"]}`, subtasks: 2},
			setting{why: "a mask of its own", options: `"dalton_offline": {"mask": {"spread": 2, "true_hot": 6}, "counters": 64}`},
			setting{why: "softmax", options: `"dalton_offline": {"temperature": 0.05, "epsilon": 0.3, "learning_rate": 0.4}`},
			setting{why: "a cold softmax", options: `"dalton_offline": {"temperature": 0.001}`, workers: 3},
			setting{why: "64 workers, many hot keys", options: `"dalton_offline": {"hot_keys": 40}`, workers: 64})
	}
	return nil
}

// vector is the case of a setting, not run yet.
func (s setting) vector(name string) vectorCase {
	follows, told := name == "table" || name == bounded, name == bounded
	if told {
		name = "table"
	}
	c := vectorCase{
		Why: s.why, Options: json.RawMessage(fmt.Sprintf(`{"name": %q}`, name)),
		Workers: orElse(s.workers, 8), Subtasks: orElse(s.subtasks, 1), SlideMS: 250,
		WindowSlides: orElse(s.window, 4), MetricSlides: orElse(s.metric, 2),
		Seed: s.seed, Stream: s.stream,
	}
	if s.options != "" {
		c.Options = json.RawMessage(fmt.Sprintf(`{"name": %q, %s}`, name, s.options))
	}
	if c.Stream == "" {
		c.Stream = "drifting"
	}
	steps := map[string]int{"drifting": 12, "bytes": 8, "many": 6, "raw": 8}[c.Stream]
	for i := range steps {
		step := vectorStep{Slide: s.start + int64(i)}
		if i >= 4 {
			step.Slide += s.gap
		}
		if s.share > 0 {
			step.Share = i%s.share == 0
			step.Absorb = i >= s.share && i%s.share == 0
			if step.Absorb {
				step.Lost = s.lost
			}
		}
		switch {
		case follows && (i == 1 || i == 4 || i == 6):
			step.Follow = fmt.Sprintf("%d/%d", c.Workers, map[int]int{1: 1, 4: 2, 6: 3}[i])
		case follows && i == 9:
			step.Follow = fmt.Sprintf("%d/1", c.Workers)
		case name == "dalton-metrics" && i%c.MetricSlides == 1%c.MetricSlides:
			step.Observe = busyRatios(c.Workers, i)
		}
		if told && i%2 == 1 {
			step.Capacities = capacitiesOf(c.Workers, i)
		}
		c.Steps = append(c.Steps, step)
	}
	return c
}

// capacitiesOf are the capacities of a step, in some what waits at the workers, and in most how
// busy they are.
func capacitiesOf(workers, step int) *vectorCapacities {
	parts := make([]float64, workers)
	for w := range parts {
		parts[w] = float64((w*37+step*11)%5) + 0.5
	}
	if step == 7 && workers > 1 {
		parts[0] = 0
	}
	c := &vectorCapacities{Of: policy.CapacitiesOf(parts).Of, Load: []float64{0.75, 0.25, 0.84, 0.9, 0, 0.7}[step/2%6]}
	if step%4 == 1 {
		for w := range parts {
			c.Waiting = append(c.Waiting, float64((w*29+step)%13)-6+float64(w%3)/8)
		}
	}
	return c
}

// busyRatios are measured ratios of a step, one of them missing.
func busyRatios(workers, step int) []*float64 {
	busy := make([]*float64, workers)
	for w := range busy {
		if w%8 != 5 {
			ratio := float64((w*53+step*17)%97) / 96
			busy[w] = &ratio
		}
	}
	return busy
}

func orElse(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

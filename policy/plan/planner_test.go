package plan_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/internal/toy"
	"github.com/saspart/saspart/policy/plan"
	"github.com/saspart/saspart/stream"
)

// nearly forgives rounding.
var nearly = cmpopts.EquateApprox(0, 1e-12)

// moved is the load that goes elsewhere under b than under a.
func moved(a, b *policy.Route, keys []plan.KeyLoad, slots []float64) float64 {
	shares := func(r *policy.Route, hash uint64) map[uint16]float64 {
		m := map[uint16]float64{}
		for _, kr := range r.Keys {
			if kr.Hash == hash {
				for i, w := range kr.Workers {
					m[w] = kr.Shares[i]
				}
				return m
			}
		}
		m[r.Slots[policy.SlotOf(hash, len(r.Slots))]] = 1
		return m
	}
	rest := slices.Clone(slots)
	sum := 0.0
	for _, k := range keys {
		was, is := shares(a, k.Hash), shares(b, k.Hash)
		for w, v := range is {
			sum += k.Load * max(0, v-was[w])
		}
		s := policy.SlotOf(k.Hash, len(slots))
		rest[s] = max(0, rest[s]-k.Load)
	}
	for s := range rest {
		if a.Slots[s] != b.Slots[s] {
			sum += rest[s]
		}
	}
	return sum
}

func sumOf(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum
}

// largestSlot is the heaviest slot without the keys that the route names.
func largestSlot(r *policy.Route, keys []plan.KeyLoad, slots []float64) float64 {
	rest := slices.Clone(slots)
	for _, k := range keys {
		if slices.ContainsFunc(r.Keys, func(kr policy.KeyRoute) bool { return kr.Hash == k.Hash }) {
			s := policy.SlotOf(k.Hash, len(slots))
			rest[s] = max(0, rest[s]-k.Load)
		}
	}
	return slices.Max(rest)
}

// drawInput draws a planning problem: zipf keys or a few odd loads, capacities
// with zeros among them, a previous route of any origin.
func drawInput(t *rapid.T) plan.Input {
	p := rapid.OneOf(rapid.IntRange(1, 8), rapid.IntRange(9, 70)).Draw(t, "workers")
	slots := rapid.SampledFrom([]int{1, 16, 64, 512}).Draw(t, "slots")
	n := rapid.IntRange(0, 400).Draw(t, "keys")
	keys, loads := toy.Population(n, rapid.Float64Range(0, 2.5).Draw(t, "exponent"), slots, rapid.Uint64().Draw(t, "seed"))
	keys = keys[:rapid.IntRange(0, n).Draw(t, "known")]
	in := plan.Input{Keys: keys, Slots: loads, Capacity: make([]float64, p)}
	for w := range in.Capacity {
		in.Capacity[w] = rapid.OneOf(rapid.Just(1.0), rapid.Float64Range(0.5, 1.5), rapid.Float64Range(0, 0.1), rapid.Just(0.0)).Draw(t, "capacity")
	}
	if sumOf(in.Capacity) == 0 {
		in.Capacity[0] = 1
	}
	switch rapid.IntRange(0, 2).Draw(t, "prev") {
	case 1:
		in.Prev = &policy.Route{Workers: p, Slots: make([]uint16, slots)}
		for s := range in.Prev.Slots {
			in.Prev.Slots[s] = uint16(s % p)
		}
	case 2:
		s := policy.Shares{Mask: policy.NewMask(stream.ZipfPMF(len(keys), 1), p, policy.MaskConfig{TrueHot: len(keys)}), Hot: make([]policy.HotKey, len(keys))}
		for i, k := range keys {
			s.Hot[i] = policy.HotKey{Hash: k.Hash, Name: k.Name}
		}
		action := make([]float64, s.Dim())
		for i := range action {
			action[i] = 1
		}
		in.Prev, _ = s.Route(action)
		in.Prev.Slots = make([]uint16, slots)
	}
	return in
}

// The planner's promises, on any input: a valid route; no worker further from its capacity
// than the heaviest slot and the slack; at most P - 1 more pairs than keys, and P - 1 more
// for each spread key. The same input gives the same route, which is kept if nothing changes.
func TestPlanProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		c := plan.Default()
		c.KeysPerWorker = rapid.IntRange(0, 5).Draw(t, "keys per worker")
		c.Keys = rapid.IntRange(0, 20).Draw(t, "keys")
		c.Spread = rapid.SampledFrom([]int{0, 0, 1, 3, 1000}).Draw(t, "spread")
		if rapid.Bool().Draw(t, "exact") {
			c.Slack = 0
		}
		planner := plan.Planner{Config: c}
		r := planner.Plan(in)
		if err := r.Validate(); err != nil {
			t.Fatal(err)
		}
		p := len(in.Capacity)
		loads, slot := toy.LoadsOf(r, in.Keys, in.Slots), largestSlot(r, in.Keys, in.Slots)
		total, capacity := sumOf(loads), sumOf(in.Capacity)
		for w, load := range loads {
			share := in.Capacity[w] / capacity * total
			if over := load - share*(1+c.Slack); over > slot+1e-8*total {
				t.Fatalf("worker %d carries %v of %v, heaviest slot %v", w, load, share, slot)
			}
			if c.Slack == 0 && share-load > slot+1e-8*total {
				t.Fatalf("worker %d carries only %v of %v, heaviest slot %v", w, load, share, slot)
			}
			if in.Capacity[w] == 0 && slices.Contains(r.Slots, uint16(w)) {
				t.Fatalf("worker %d has slots but no capacity", w)
			}
		}
		pairs := 0
		for _, k := range r.Keys {
			pairs += len(k.Workers)
		}
		if pairs > len(r.Keys)+(p-1)*(1+min(c.Spread, len(r.Keys))) {
			t.Fatalf("%d pairs for %d keys on %d workers", pairs, len(r.Keys), p)
		}
		shuffled := in
		shuffled.Keys = slices.Clone(in.Keys)
		slices.Reverse(shuffled.Keys)
		if diff := cmp.Diff(r, (&plan.Planner{Config: c}).Plan(shuffled)); diff != "" {
			t.Fatalf("keys in another order, a fresh planner (-first +second):\n%s", diff)
		}
		in.Prev = r
		if again := planner.Plan(in); again != r {
			t.Fatalf("nothing changed, but the route does:\n%s", cmp.Diff(r, again))
		}
	})
}

// perturbed is the problem again with every load and capacity off by up to delta.
func perturbed(in plan.Input, delta float64, rng *rand.Rand) plan.Input {
	f := func() float64 { return 1 + delta*(2*rng.Float64()-1) }
	out := plan.Input{Prev: in.Prev, Keys: slices.Clone(in.Keys), Slots: slices.Clone(in.Slots), Capacity: slices.Clone(in.Capacity)}
	for i := range out.Keys {
		k := &out.Keys[i]
		was := k.Load
		k.Load *= f()
		out.Slots[policy.SlotOf(k.Hash, len(out.Slots))] += k.Load - was
	}
	for w := range out.Capacity {
		out.Capacity[w] *= f()
	}
	return out
}

// Few moves: when loads and capacities change by up to delta, the load that moves is about
// delta. Sometimes a key as heavy as a worker moves as well, because it no longer fits.
func TestPlanMovesInProportion(t *testing.T) {
	planner := plan.Planner{Config: plan.Default()}
	for _, z := range []float64{0.8, 1, 1.5, 2} {
		for _, p := range []int{8, 64} {
			for _, delta := range []float64{0.001, 0.01, 0.05, 0.2} {
				var loads []float64
				largest := 0.0
				for seed := range uint64(9) {
					rng := rand.New(rand.NewPCG(seed, 2))
					keys, slots := toy.Population(10000, z, policy.SlotCount(p), seed)
					in := plan.Input{Keys: keys[:6*p], Slots: slots, Capacity: make([]float64, p), Prev: policy.HashRoute(p)}
					for w := range in.Capacity {
						in.Capacity[w] = 0.5 + rng.Float64()
					}
					in.Prev = planner.Plan(in)
					largest = max(largest, slices.Max(in.Capacity)/sumOf(in.Capacity))
					in = perturbed(in, delta, rng)
					loads = append(loads, moved(in.Prev, planner.Plan(in), in.Keys, in.Slots))
				}
				slices.Sort(loads)
				median, worst := loads[len(loads)/2], loads[len(loads)-1]
				if median > 1.5*delta {
					t.Errorf("zipf %v, %d workers, off by %v: the median moves %.4f of the load", z, p, delta, median)
				}
				if worst > 2*delta+4*largest {
					t.Errorf("zipf %v, %d workers, off by %v: the worst moves %.4f of the load", z, p, delta, worst)
				}
			}
		}
	}
}

func TestPlan(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	key := func(slot int, load float64) plan.KeyLoad { return plan.KeyLoad{Hash: uint64(slot) << 62, Load: load} }
	for _, tc := range []struct {
		why   string
		in    plan.Input
		keys  []policy.KeyRoute // hash and name left out
		slots []uint16
	}{
		{"nothing known: idle slots in proportion to capacity", plan.Input{Slots: make([]float64, 4), Capacity: []float64{1, 3}}, nil, []uint16{0, 1, 1, 1}},
		{"no capacity for the first worker", plan.Input{Slots: []float64{1, 1, 0, 0}, Capacity: []float64{0, 3}}, nil, []uint16{1, 1, 1, 1}},
		{"no capacity anywhere counts as equal", plan.Input{Slots: []float64{1, 1, 1, 1}, Capacity: []float64{0, nan}}, nil, []uint16{0, 1, 0, 1}},
		{"what is no amount counts as 0", plan.Input{Slots: []float64{nan, -1, inf, 1}, Capacity: []float64{1, inf, -1}, Keys: []plan.KeyLoad{key(0, nan), key(1, -2)}}, nil, []uint16{0, 0, 0, 0}},
		{"huge loads do not overflow", plan.Input{Slots: []float64{math.MaxFloat64, math.MaxFloat64, 0, 0}, Capacity: []float64{math.MaxFloat64, math.MaxFloat64}}, nil, []uint16{0, 1, 0, 1}},
		{"a key twice a worker's load fills one and shares the next with the slots",
			plan.Input{Slots: []float64{60, 10, 10, 10}, Keys: []plan.KeyLoad{key(0, 60)}, Capacity: []float64{1, 1}},
			[]policy.KeyRoute{{Workers: []uint16{0, 1}, Shares: []float64{0.75, 0.25}}}, []uint16{0, 1, 1, 1}},
		{"a key given in two parts is one key",
			plan.Input{Slots: []float64{60, 10, 10, 10}, Keys: []plan.KeyLoad{key(0, 20), key(0, 40)}, Capacity: []float64{1, 1}},
			[]policy.KeyRoute{{Workers: []uint16{0, 1}, Shares: []float64{0.75, 0.25}}}, []uint16{0, 1, 1, 1}},
		{"it is placed whole where there is headroom for it",
			plan.Input{Slots: []float64{60, 20, 10, 10}, Keys: []plan.KeyLoad{key(0, 60)}, Capacity: []float64{2, 3}},
			[]policy.KeyRoute{{Workers: []uint16{1}, Shares: []float64{1}}}, []uint16{1, 0, 0, 0}},
		{"the slot's other keys stay apart from the named one",
			plan.Input{Slots: []float64{90, 10, 0, 0}, Keys: []plan.KeyLoad{key(0, 60)}, Capacity: []float64{2, 3}},
			[]policy.KeyRoute{{Workers: []uint16{1}, Shares: []float64{1}}}, []uint16{0, 0, 0, 1}},
	} {
		r := (&plan.Planner{}).Plan(tc.in)
		if err := r.Validate(); err != nil {
			t.Errorf("%s: %v", tc.why, err)
		}
		var keys []policy.KeyRoute
		for _, k := range r.Keys {
			keys = append(keys, policy.KeyRoute{Workers: k.Workers, Shares: k.Shares})
		}
		if diff := cmp.Diff(tc.keys, keys, nearly); diff != "" {
			t.Errorf("%s: keys (-want +got):\n%s", tc.why, diff)
		}
		for s, w := range r.Slots {
			if w != tc.slots[s] && (tc.in.Slots[s] > 0 || tc.keys == nil) {
				t.Errorf("%s: slots %v, want %v", tc.why, r.Slots, tc.slots)
				break
			}
		}
	}
	p := plan.Planner{}
	r := p.Plan(plan.Input{Capacity: []float64{1, 1, 1}})
	if len(r.Slots) != policy.SlotCount(3) || r.Version != 0 {
		t.Errorf("without slots: %d slots, version %d", len(r.Slots), r.Version)
	}
	if other := p.Plan(plan.Input{Capacity: []float64{1, 1}, Prev: r}); other.Workers != 2 || other.Version != 0 {
		t.Errorf("a previous route of another P: %d workers, version %d", other.Workers, other.Version)
	}
}

// A spread key goes to every worker with capacity, in proportion to it; lighter keys and slots
// fill the rest as always. When speeds change so do its parts.
func TestPlanSpreads(t *testing.T) {
	planner := plan.Planner{Config: plan.Config{KeysPerWorker: 1, Slack: 0.1, Spread: 1}}
	key := func(slot int, load float64) plan.KeyLoad { return plan.KeyLoad{Hash: uint64(slot) << 62, Load: load} }
	in := plan.Input{
		Keys: []plan.KeyLoad{key(1, 20), key(0, 40)}, Slots: make([]float64, 16), Capacity: []float64{1, 0, 3, 1},
	}
	for s := range in.Slots {
		in.Slots[s] = 2.5
	}
	in.Slots[0], in.Slots[4] = 40, 20 // the keys' own
	r := planner.Plan(in)
	want := []policy.KeyRoute{
		{Workers: []uint16{0, 2, 3}, Shares: []float64{0.2, 0.6, 0.2}},
		{Hash: 1 << 62, Workers: []uint16{2}, Shares: []float64{1}},
	}
	if d := cmp.Diff(want, r.Keys, nearly); d != "" {
		t.Errorf("keys (-want +got):\n%s", d)
	}
	in.Prev, in.Capacity = r, []float64{1, 0, 1, 1}
	next := planner.Plan(in)
	loads := toy.LoadsOf(next, in.Keys, in.Slots)
	if fair := sumOf(loads) / 3; len(next.Keys[0].Workers) != 3 || loads[1] != 0 || slices.Max(loads) > 1.1*fair+1e-6 {
		t.Errorf("with equal workers they carry %v by %+v", loads, next.Keys)
	}
}

// TestPlanNamesEnough: the heaviest keys are named: a number for each worker and at least
// a number in all, as far as there are keys.
func TestPlanNamesEnough(t *testing.T) {
	in := plan.Input{Slots: make([]float64, 16), Capacity: []float64{1, 1, 1, 1}}
	for i := range 40 {
		k := plan.KeyLoad{Hash: uint64(i+1) * 0x9e3779b97f4a7c15, Load: 1 + float64(i)/100}
		in.Keys = append(in.Keys, k)
		in.Slots[policy.SlotOf(k.Hash, 16)] += k.Load
	}
	for _, c := range []struct {
		why           string
		perWorker, at int
		want          int
	}{
		{"no key is heavier than a worker", 0, 0, 0},
		{"by workers", 4, 0, 16},
		{"at least", 4, 20, 20},
		{"workers ask for more", 8, 20, 32},
		{"more than there are", 0, 64, 40},
	} {
		planner := plan.Planner{Config: plan.Config{KeysPerWorker: c.perWorker, Keys: c.at}}
		r := planner.Plan(in)
		if len(r.Keys) != c.want {
			t.Errorf("%s: %d keys are named, %d should be", c.why, len(r.Keys), c.want)
		}
		for _, k := range r.Keys {
			if i := slices.IndexFunc(in.Keys, func(l plan.KeyLoad) bool { return l.Hash == k.Hash }); i < 40-c.want {
				t.Errorf("%s: key %d is named, which is one of the lightest", c.why, i)
			}
		}
	}
}

func TestPlanConfigValidate(t *testing.T) {
	if c := plan.Default(); c.Validate() != nil {
		t.Errorf("the default does not validate: %v", c.Validate())
	}
	for _, c := range []plan.Config{{KeysPerWorker: -1}, {Keys: -1}, {Slack: -0.1}, {Slack: math.NaN()}, {Spread: -1}} {
		if c.Validate() == nil {
			t.Errorf("%+v validates", c)
		}
	}
}

func BenchmarkPlan(b *testing.B) {
	for _, p := range []int{8, 64, 256} {
		keys, slots := toy.Population(10000, 1, policy.SlotCount(p), 1)
		rng := rand.New(rand.NewPCG(1, 2))
		in := plan.Input{Keys: keys[:4*p], Slots: slots, Capacity: make([]float64, p)}
		for w := range in.Capacity {
			in.Capacity[w] = 0.5 + rng.Float64()
		}
		planner := plan.Planner{Config: plan.Default()}
		fresh := planner.Plan(in)
		for _, c := range []struct {
			name  string
			delta float64
			prev  *policy.Route
		}{{"fresh", 0, nil}, {"from hash", 0, policy.HashRoute(p)}, {"changed by 5%", 0.05, fresh}, {"unchanged", 0, fresh}} {
			b.Run(fmt.Sprintf("P=%d/%s", p, c.name), func(b *testing.B) {
				in := perturbed(in, c.delta, rng)
				in.Prev = c.prev
				b.ReportAllocs()
				for b.Loop() {
					planner.Plan(in)
				}
			})
		}
	}
}

// With a limit no key has more workers, whatever the loads and the route before.
func TestPlanLimitsWorkersPerKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		c := plan.Default()
		c.MaxWorkersPerKey = rapid.IntRange(1, 4).Draw(t, "limit")
		c.Spread = rapid.IntRange(0, 2).Draw(t, "spread")
		p := plan.Planner{Config: c}
		r := p.Plan(in)
		if err := r.Validate(); err != nil {
			t.Fatal(err)
		}
		for _, k := range r.Keys {
			if len(k.Workers) > c.MaxWorkersPerKey {
				t.Fatalf("a key has %d workers, at most %d are allowed", len(k.Workers), c.MaxWorkersPerKey)
			}
		}
	})
}

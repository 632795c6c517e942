package plan

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/saspart/saspart/policy"
)

// Two slots; key a in slot 0, key b in slot 1.
const hashA, hashB = uint64(1), uint64(1) << 63

func TestLoads(t *testing.T) {
	type window = policy.Window
	a := func(count int64) []policy.HotKey { return []policy.HotKey{{Name: "a", Hash: hashA, Count: count}} }
	for _, tc := range []struct {
		why     string
		config  LoadConfig
		windows []window
		want    []float64 // parts of all: key a, slot 0, slot 1
	}{
		{"one window as it is", LoadConfig{Alpha: 0.5}, []window{{Hot: a(50), Slots: []int64{60, 40}}}, []float64{0.5, 0.6, 0.4}},
		// a: 50/2 + 200 = 225 of 100/2 + 300 = 350
		{"older counts weigh half, and large windows more", LoadConfig{Alpha: 0.5},
			[]window{{Hot: a(50), Slots: []int64{50, 50}}, {Hot: a(200), Slots: []int64{200, 100}}}, []float64{225. / 350, 225. / 350, 125. / 350}},
		// Expected 10 +- 3.3 of 1,000, came 60: 6 % at once; its slot jumps too.
		{"what cannot be chance replaces the memory", LoadConfig{Alpha: 0.5, Jump: 6},
			[]window{{Hot: a(10), Slots: []int64{10, 990}}, {Hot: a(60), Slots: []int64{60, 940}}}, []float64{0.06, 90. / 1500, 1435. / 1500}},
		// Off the list, whose last key counts 30: a had at most that, 50/2 + 30 of 150.
		{"a key that fell off the list is no heavier than the last on it", LoadConfig{Alpha: 0.5},
			[]window{{Hot: a(50), Slots: []int64{50, 50}}, {Hot: []policy.HotKey{{Hash: hashB, Count: 30}}, Slots: []int64{50, 50}}}, []float64{55. / 150, 0.5, 0.5}},
		{"a key that fell off a list that is not full did not occur", LoadConfig{Alpha: 0.5},
			[]window{{Hot: a(50), Slots: []int64{50, 50}}, {Slots: []int64{50, 50}}}, []float64{25. / 150, 75. / 150, 75. / 150}},
		{"half of what may belong to others is taken off", LoadConfig{Alpha: 0.5},
			[]window{{Hot: []policy.HotKey{{Hash: hashA, Count: 60, Error: 20}}, Slots: []int64{60, 40}}}, []float64{0.5, 0.6, 0.4}},
		{"a window without records says nothing", LoadConfig{Alpha: 0.5},
			[]window{{Hot: a(50), Slots: []int64{50, 50}}, {Slots: []int64{0, 0}}}, []float64{0.5, 0.5, 0.5}},
	} {
		l := NewLoads(tc.config)
		for i := range tc.windows {
			l.Observe(&tc.windows[i])
		}
		keys, slots := l.Estimate(nil, nil, 2)
		got := append([]float64{keys[0].Load}, slots...)
		// Slots without their keys are drawn together where chance explains them: here
		// always, for they have few records. Their sum stays.
		if math.Abs(got[0]-tc.want[0]) > 1e-12 || math.Abs(got[1]+got[2]-tc.want[1]-tc.want[2]) > 1e-12 {
			t.Errorf("%s: a %v, slots %v; want %v", tc.why, got[0], slots, tc.want)
		}
	}
}

// Slots that differ by chance alone come out equal; one that is truly heavier
// keeps most of that.
func TestLoadsChance(t *testing.T) {
	const slots, mean = 4096, 5.0
	rng := rand.New(rand.NewPCG(2, 2))
	w := &policy.Window{Slots: make([]int64, slots)}
	l := NewLoads(DefaultLoad())
	for range 10 {
		for s := range w.Slots {
			w.Slots[s] = 0
			m := mean
			if s == 7 {
				m *= 40
			}
			// Poisson by the waiting times of a unit process.
			for t := rng.ExpFloat64(); t < m; t += rng.ExpFloat64() {
				w.Slots[s]++
			}
		}
		l.Observe(w)
	}
	_, got := l.Estimate(nil, nil, 8)
	if heavy := got[7] * slots; heavy < 20 || heavy > 45 {
		t.Errorf("a slot of 40 times the mean is estimated at %.1f times", heavy)
	}
	raw, drawn := 0.0, 0.0
	for s := range got {
		if s != 7 {
			raw += math.Pow(l.slots[s]/l.records*slots-1, 2)
			drawn += math.Pow(got[s]*slots-1, 2)
		}
	}
	if drawn > raw {
		t.Errorf("drawing slots to their mean adds to their error: %.3f to %.3f", raw, drawn)
	}
	// Without the heavy one there is chance alone.
	l = NewLoads(DefaultLoad())
	w.Slots[7] = 5
	l.Observe(w)
	_, got = l.Estimate(nil, nil, 8)
	for s := range got {
		if math.Abs(got[s]*slots-1) > 0.3 {
			t.Fatalf("slot %d of a uniform stream is estimated at %.2f times the mean", s, got[s]*slots)
		}
	}
}

func TestLoadsWithoutSlots(t *testing.T) {
	l := NewLoads(DefaultLoad())
	l.Observe(&policy.Window{Records: 100, Hot: []policy.HotKey{{Hash: hashA, Count: 20}}})
	keys, slots := l.Estimate(nil, nil, 2)
	if len(keys) != 1 || keys[0].Load != 0.2 || len(slots) != policy.SlotCount(2) {
		t.Fatalf("keys %v, %d slots", keys, len(slots))
	}
	sum := 0.0
	for _, v := range slots {
		sum += v
	}
	if math.Abs(sum-1) > 1e-9 {
		t.Errorf("slots sum to %v", sum)
	}
	if got := slots[5] * float64(len(slots)); math.Abs(got-0.8) > 1e-9 {
		t.Errorf("slot 5 has %v of an even part of all; 0.8 is left by the key", got)
	}
}

// However many keys come and go, memory is bounded by the lists.
func TestLoadsForgets(t *testing.T) {
	l := NewLoads(DefaultLoad())
	for i := range 1000 {
		w := &policy.Window{Slots: []int64{500, 500}, Hot: []policy.HotKey{{Hash: hashA, Count: 400}}}
		for j := range 20 {
			w.Hot = append(w.Hot, policy.HotKey{Hash: hashB + uint64(20*i+j), Count: 5})
		}
		l.Observe(w)
	}
	if len(l.keys) > 3*64 || l.index.Len() != len(l.keys) {
		t.Errorf("%d keys, %d in the index", len(l.keys), l.index.Len())
	}
	keys, _ := l.Estimate(nil, nil, 2)
	var a []KeyLoad
	for _, k := range keys {
		if k.Hash == hashA {
			a = append(a, k)
		}
	}
	if diff := cmp.Diff([]KeyLoad{{Hash: hashA, Load: 0.4}}, a, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Errorf("the heavy key (-want +got):\n%s", diff)
	}
}

// shiftJob is a stream of 4,096 slots of unequal loads, most of which are too light to jump.
func shiftJob(rng *rand.Rand, loads []float64, records float64) *policy.Window {
	w := &policy.Window{Slots: make([]int64, len(loads))}
	for s, load := range loads {
		for t := rng.ExpFloat64(); t < load*records; t += rng.ExpFloat64() {
			w.Slots[s]++
		}
	}
	return w
}

// TestLoadsShift: after a shift of all slots, the past is forgotten, and the loads are nearly
// as good after a window as those of an estimator that knows nothing else.
func TestLoadsShift(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	loads, sum := make([]float64, 4096), 0.0
	for i := range loads {
		loads[i] = math.Exp(0.8 * rng.NormFloat64())
		sum += loads[i]
	}
	for i := range loads {
		loads[i] /= sum
	}
	l := NewLoads(DefaultLoad())
	for range 20 {
		l.Observe(shiftJob(rng, loads, 40_000))
	}
	rng.Shuffle(len(loads), func(i, j int) { loads[i], loads[j] = loads[j], loads[i] })
	w := shiftJob(rng, loads, 40_000)
	fresh := NewLoads(DefaultLoad())
	off := func(l *Loads) (off float64) {
		l.Observe(w)
		_, slots := l.Estimate(nil, nil, 8)
		for s, v := range slots {
			off += math.Abs(v - loads[s])
		}
		return off
	}
	if got, best := off(l), off(fresh); got > 1.25*best {
		t.Errorf("loads are off by %.3f in sum after the shift; by %.3f without a past", got, best)
	}
}

// TestLoadsSteady: without a shift nothing is forgotten, whether counts scatter as chance has
// them or twice as much.
func TestLoadsSteady(t *testing.T) {
	for _, clumps := range []int{1, 3} {
		rng := rand.New(rand.NewPCG(5, 6))
		loads := make([]float64, 4096)
		for i := range loads {
			loads[i] = (0.5 + rng.Float64()) / 4096
		}
		l, forgot := NewLoads(DefaultLoad()), 0
		for window := range 150 {
			w := shiftJob(rng, loads, 20_000)
			n := 0.0
			for s := range w.Slots {
				w.Slots[s] *= int64(clumps)
				n += float64(w.Slots[s])
			}
			probe := *l
			if probe.remembered(w.Slots, n) < 1 && window > 20 {
				forgot++
			}
			l.Observe(w)
		}
		if forgot > 0 {
			t.Errorf("records in clumps of %d: %d windows of 130 shorten the memory", clumps, forgot)
		}
	}
}

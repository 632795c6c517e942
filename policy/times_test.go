package policy

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestTimesAdd adds lists up in any order and compares with sums over all.
func TestTimesAdd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sum Times
		var keys, slots [16]KeyTime
		var records int64
		var scatter float64
		for range rapid.IntRange(0, 4).Draw(t, "times") {
			var o Times
			for i := range keys {
				if n := rapid.Int64Range(0, 3).Draw(t, "key"); n > 0 {
					o.Keys = append(o.Keys, KeyTime{Hash: uint64(i), Records: n, Total: time.Duration(2 * n)})
					keys[i].Records += n
				}
				if n := rapid.Int64Range(0, 3).Draw(t, "slot"); n > 0 {
					o.Slots = append(o.Slots, SlotTime{Slot: int32(i), Records: n, Total: time.Duration(3 * n)})
					slots[i].Records += n
					o.Records += n
					o.Total += time.Duration(3 * n)
				}
			}
			if o.Records == 0 {
				o.Keys = nil
				for i := range keys {
					keys[i].Records = sumOf(sum.Keys, uint64(i))
				}
			}
			o.Scatter = rapid.Float64Range(0, 2).Draw(t, "scatter")
			records += o.Records
			scatter += o.Scatter * float64(o.Records)
			before := o.Clone()
			sum.Add(&o)
			if !slices.Equal(o.Keys, before.Keys) || !slices.Equal(o.Slots, before.Slots) {
				t.Fatal("what was added has changed")
			}
		}
		if err := sum.Validate(16); err != nil {
			t.Fatal(err)
		}
		for i := range keys {
			if got := sumOf(sum.Keys, uint64(i)); got != keys[i].Records {
				t.Fatalf("key %d: %d records, want %d", i, got, keys[i].Records)
			}
			at := slices.IndexFunc(sum.Slots, func(s SlotTime) bool { return int(s.Slot) == i })
			if at < 0 != (slots[i].Records == 0) || at >= 0 && (sum.Slots[at].Records != slots[i].Records || int64(sum.Slots[at].Total) != 3*slots[i].Records) {
				t.Fatalf("slot %d: %v, want %d records", i, sum.Slots, slots[i].Records)
			}
		}
		if sum.Records != records || int64(sum.Total) != 3*records || math.Abs(sum.Scatter*float64(records)-scatter) > 1e-9 {
			t.Fatalf("%d records in %v with scatter %v; want %d with %v in sum", sum.Records, sum.Total, sum.Scatter, records, scatter)
		}
	})
}

func sumOf(keys []KeyTime, hash uint64) int64 {
	for _, k := range keys {
		if k.Hash == hash {
			return k.Records
		}
	}
	return 0
}

func TestTimesValidate(t *testing.T) {
	good := Times{Records: 3, Total: 5, Scatter: 0.5, Keys: []KeyTime{{Hash: 1, Records: 1}, {Hash: 2, Records: 2}}, Slots: []SlotTime{{Slot: 0, Records: 1}, {Slot: 7, Records: 2}}}
	if err := good.Validate(8); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why    string
		change func(*Times)
	}{
		{"records cannot be negative", func(t *Times) { t.Records = -1 }},
		{"nor can times", func(t *Times) { t.Total = -1 }},
		{"a scatter is a number", func(t *Times) { t.Scatter = math.NaN() }},
		{"and finite", func(t *Times) { t.Scatter = math.Inf(1) }},
		{"a key is listed once", func(t *Times) { t.Keys[1].Hash = 1 }},
		{"in order", func(t *Times) { t.Keys[0].Hash = 3 }},
		{"if it has records", func(t *Times) { t.Keys[0].Records = 0 }},
		{"its time is not negative", func(t *Times) { t.Keys[0].Total = -1 }},
		{"the job has 8 slots", func(t *Times) { t.Slots[1].Slot = 8 }},
		{"from 0 on", func(t *Times) { t.Slots[0].Slot = -1 }},
		{"in order", func(t *Times) { t.Slots[0].Slot = 7 }},
		{"if they have records", func(t *Times) { t.Slots[0].Records = 0 }},
		{"whose time is not negative", func(t *Times) { t.Slots[0].Total = -1 }},
	} {
		bad := good.Clone()
		if c.change(&bad); bad.Validate(8) == nil {
			t.Errorf("%s: no error", c.why)
		}
	}
}

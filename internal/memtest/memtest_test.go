package memtest

import "testing"

type fake struct {
	testing.TB
	failed bool
}

func (f *fake) Fatalf(string, ...any) { f.failed = true }

var kept []byte

func TestLimit(t *testing.T) {
	for bytes, fails := range map[int]bool{1 << 10: false, 2 << 20: true} {
		f := &fake{}
		check := Limit(f, 1<<20)
		kept = make([]byte, bytes)
		if check(); f.failed != fails {
			t.Errorf("%d bytes allocated with a limit of 1 MiB: failed %v", bytes, f.failed)
		}
	}
}

package jobtest

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// Main runs a package's tests and fails when one leaves a goroutine behind. In
// short mode, which is what the race detector gets, properties are tried less often.
func Main(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		if err := flag.Set("rapid.checks", "10"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

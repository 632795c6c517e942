//go:build torch

package nn

import (
	"strings"
	"testing"
)

func TestTorchErrorIsReturned(t *testing.T) {
	f := func() (err error) {
		var s Scope
		defer s.Free()
		defer Catch(&err)
		s.add(s.zeros(2), s.zeros(3))
		return nil
	}
	if err := f(); err == nil || !strings.Contains(err.Error(), "libtorch: add: The size of tensor a (2) must match") {
		t.Errorf("error is %v", err)
	}
}

package serve

import (
	"io/fs"
	"testing"
)

func TestExposed(t *testing.T) {
	const root, server, other = 0, 65532, 1000
	for _, c := range []struct {
		why         string
		perm        fs.FileMode
		owner, self int
		want        bool
	}{
		{"the server's own file", 0o600, server, server, false},
		{"its group could read it", 0o640, server, server, true},
		{"everybody could", 0o604, server, server, true},
		{"a secret that Kubernetes mounts for the server's group", 0o440, root, server, false},
		{"the group could replace it", 0o460, root, server, true},
		{"everybody could read root's file", 0o644, root, server, true},
		{"root runs the server, so the group is not the server's", 0o640, root, root, true},
		{"another user's file, which the group may read", 0o640, other, server, true},
		{"another user's file, which the server could read as a member of nothing", 0o600, other, server, false},
		{"permissions mean nothing on this system", 0o666, -1, -1, false},
	} {
		if got := exposed(c.perm, c.owner, c.self); got != c.want {
			t.Errorf("exposed(%v, %d, %d) = %v, want %v: %s", c.perm, c.owner, c.self, got, c.want, c.why)
		}
	}
}

package nearest

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"hash", "dchoices", "wchoices", "dalton-original", "dalton-offline"}
	for _, c := range []struct{ why, name, want string }{
		{"the name itself", "hash", "hash"},
		{"a dropped letter", "dchoics", "dchoices"},
		{"other case costs nothing", "WCHOICES", "wchoices"},
		{"equally far: the first in the list", "choices", "dchoices"},
		{"another separator", "dalton_offline", "dalton-offline"},
		{"a beginning", "dal", "dalton-original"},
		{"nothing like it", "spark", ""},
		{"of a long name a third may be wrong", "daltn_offlin", "dalton-offline"},
		{"nothing", "", ""},
	} {
		if got := Nearest(c.name, known); got != c.want {
			t.Errorf("%s: Nearest(%q) = %q, want %q", c.why, c.name, got, c.want)
		}
	}
	if got := Nearest("hash", nil); got != "" {
		t.Errorf("Nearest without known names = %q, want none", got)
	}
}

func TestExplain(t *testing.T) {
	if got, want := Explain("hsah", []string{"pkg", "hash", "cam"}), `did you mean "hash"? known are cam, hash, pkg`; got != want {
		t.Errorf("Explain = %q, want %q", got, want)
	}
	if got, want := Explain("int64", []string{"bytes", "integer"}), "known are bytes, integer"; got != want {
		t.Errorf("Explain = %q, want %q", got, want)
	}
	if got, want := Explain("hash", nil), "none is known"; got != want {
		t.Errorf("Explain without known names = %q, want %q", got, want)
	}
}

package files

import (
	"errors"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// powerless is a file system that loses its power after a number of operations. Then the disk
// is in the worst state that it may be in: content that was not synced is lost, and names may
// have reached it or not.
type powerless struct {
	left   int
	swaps  bool
	files  map[string]*content // by name, as running programs see them
	disk   map[string]*content // by name on the disk, if names are lost that were not synced
	synced map[*content]string
	names  []map[string]*content // all that the disk may have had by now
}

type content struct{ text string }

var errPower = errors.New("no power")

func newPowerless(left int, swaps bool, files map[string]string) *powerless {
	p := &powerless{left: left, swaps: swaps, files: map[string]*content{}, synced: map[*content]string{}}
	for name, text := range files {
		c := &content{text}
		p.files[name], p.synced[c] = c, text
	}
	p.disk = maps.Clone(p.files)
	return p
}

// step is an operation that changes files; without power it does not happen.
func (p *powerless) step(do func()) error {
	if p.left--; p.left < 0 {
		return errPower
	}
	do()
	p.names = append(p.names, maps.Clone(p.files))
	return nil
}

type writing struct {
	p *powerless
	c *content
}

func (w writing) Write(text []byte) (int, error) {
	return len(text), w.p.step(func() { w.c.text += string(text) })
}
func (w writing) Close() error { return w.p.step(func() {}) }

func (p *powerless) create(name string) (io.WriteCloser, error) {
	c := &content{}
	return writing{p, c}, p.step(func() { p.files[name] = c })
}

// under returns the files that have a name or are in the folder of that name.
func (p *powerless) under(name string) []string {
	var out []string
	for f := range p.files {
		if f == name || strings.HasPrefix(f, name+"/") {
			out = append(out, f)
		}
	}
	return out
}

func (p *powerless) move(from, to string) map[string]*content {
	moved := map[string]*content{}
	for _, f := range p.under(from) {
		moved[to+strings.TrimPrefix(f, from)] = p.files[f]
		delete(p.files, f)
	}
	return moved
}

func (p *powerless) rename(from, to string) error {
	return p.step(func() {
		moved := p.move(from, to)
		maps.Copy(p.files, moved)
	})
}

func (p *powerless) swap(folder, dir string) error {
	if !p.swaps {
		return errors.ErrUnsupported
	}
	return p.step(func() {
		a, b := p.move(folder, dir), p.move(dir, folder)
		maps.Copy(p.files, a)
		maps.Copy(p.files, b)
	})
}

func (p *powerless) remove(name string) error { return p.step(func() { p.move(name, name) }) }
func (p *powerless) exists(name string) bool  { return len(p.under(name)) > 0 }
func (p *powerless) list(name string) ([]string, error) {
	return append(p.under(name), name), nil
}

func (p *powerless) sync(name string) error {
	return p.step(func() {
		if c := p.files[name]; c != nil {
			p.synced[c] = c.text
			return
		}
		for f := range p.disk {
			if path.Dir(f) == name || path.Dir(path.Dir(f)) == name {
				delete(p.disk, f)
			}
		}
		for f, c := range p.files {
			if path.Dir(f) == name || path.Dir(path.Dir(f)) == name {
				p.disk[f] = c
			}
		}
		p.names = nil
	})
}

// afterwards returns what each state of the disk may have under a name.
func (p *powerless) afterwards(name string) map[string]bool {
	out := map[string]bool{}
	for _, names := range append(p.names, p.disk) {
		if c := names[name]; c == nil {
			out["nothing"] = true
		} else {
			out[p.synced[c]] = true
		}
	}
	return out
}

// Whenever the power fails, a name has its old content or all of the new one; once the
// function has returned, it has the new one.
func TestLossOfPower(t *testing.T) {
	for _, c := range []struct {
		why   string
		do    func(p *powerless) error
		swaps bool
		name  string
		had   string // before; else nothing had the name
		aside bool   // the old content may be moved aside
	}{
		{"a file is replaced", func(p *powerless) error { return replace(p, "run/run.yaml", []byte("new")) }, false, "run/run.yaml", "old", false},
		{"a file is made", func(p *powerless) error { return replace(p, "run/other.yaml", []byte("new")) }, false, "run/other.yaml", "", false},
		{"a file that was written gets its name", func(p *powerless) error {
			f, err := p.create("run/results.partial")
			if err == nil {
				_, err = f.Write([]byte("new"))
			}
			if err != nil {
				return err
			}
			return rename(p, "run/results.partial", "run/results")
		}, false, "run/results", "", false},
		{"a folder is exchanged", fill("run/.last.new", "run/last"), true, "run/last/policy", "old", false},
		{"a folder is made", fill("run/.best.new", "run/best"), true, "run/best/policy", "", false},
		{"a folder is moved aside", fill("run/.last.new", "run/last"), false, "run/last/policy", "old", true},
	} {
		for after := range 20 {
			p := newPowerless(after, c.swaps, map[string]string{"run/run.yaml": "old", "run/last/policy": "old"})
			err := c.do(p)
			may := map[string]bool{"new": true}
			if err != nil {
				may[c.had] = true
				may["nothing"] = c.had == "" || c.aside
			}
			for got := range p.afterwards(c.name) {
				if !may[got] {
					t.Errorf("%s: power fails after %d operations (%v): it has %q", c.why, after, err, got)
				}
				if got == "nothing" && c.aside && !p.afterwards("run/last.old/policy")["old"] {
					t.Errorf("%s: power fails after %d operations: the old content is lost", c.why, after)
				}
			}
			if after == 19 && err != nil {
				t.Errorf("%s: %v after %d operations", c.why, err, after)
			}
		}
	}
}

// fill writes a folder and gives it its name.
func fill(folder, dir string) func(p *powerless) error {
	return func(p *powerless) error {
		f, err := p.create(folder + "/policy")
		if err == nil {
			_, err = f.Write([]byte("new"))
		}
		if err != nil {
			return err
		}
		return exchange(p, folder, dir)
	}
}

// The way of systems that cannot exchange folders.
func TestMoveAside(t *testing.T) {
	dir := t.TempDir()
	path := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	for _, name := range []string{"new", "best", "best.old"} {
		if err := os.Mkdir(path(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path(name, "file"), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := moveAside(disk{}, path("new"), path("best")); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if data, _ := os.ReadFile(path("best", "file")); err != nil || len(entries) != 1 || string(data) != "new" {
		t.Errorf("%v with %q, %v", entries, data, err)
	}
}

package runlog

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// powerless is a file system that loses its power after a number of operations. Names and
// contents that were not synced are then in the worst state that a disk may leave: a name may
// be there without its content.
type powerless struct {
	left            int
	contents, names map[string]string // as running programs see them: content by file, file by name
	synced          map[string]string // content on the disk by file
	disk            map[string]string // file by name on the disk
	next            int
}

var errPower = errors.New("no power")

func (p *powerless) step() error {
	if p.left--; p.left < 0 {
		return errPower
	}
	return nil
}

type powerlessFile struct {
	p  *powerless
	id string
}

func (p *powerless) create(path string) (durable, error) {
	p.next++
	id := strings.Repeat("x", p.next)
	p.names[path], p.contents[id] = id, ""
	return &powerlessFile{p, id}, p.step()
}

func (f *powerlessFile) Write(text []byte) (int, error) {
	f.p.contents[f.id] += string(text)
	return len(text), f.p.step()
}

func (f *powerlessFile) Sync() error {
	if err := f.p.step(); err != nil {
		return err
	}
	f.p.synced[f.id] = f.p.contents[f.id]
	return nil
}

func (f *powerlessFile) Close() error { return f.p.step() }

func (p *powerless) rename(from, to string) error {
	p.names[to] = p.names[from]
	delete(p.names, from)
	p.disk = maps.Clone(p.names) // the disk may have the name at once, whatever was synced
	return p.step()
}

func (p *powerless) remove(path string) error {
	delete(p.names, path)
	return nil
}

func (p *powerless) syncFolder(string) error {
	if err := p.step(); err != nil {
		return err
	}
	p.disk = maps.Clone(p.names)
	return nil
}

// A file has its old content or all of the new one, whenever the power fails.
func TestReplaceFileSurvivesALossOfPower(t *testing.T) {
	for after := range 10 {
		p := &powerless{left: after, contents: map[string]string{"old": "old"}, names: map[string]string{"run.yaml": "old"},
			synced: map[string]string{"old": "old"}, disk: map[string]string{"run.yaml": "old"}}
		err := replaceFile(p, "run.yaml", []byte("new"))
		got := p.synced[p.disk["run.yaml"]]
		if got != "new" && (got != "old" || err == nil) {
			t.Errorf("power fails after %d operations (%v): the file has %q", after, err, got)
		}
	}
}

// Two runs cannot write to one folder at a time, and the second is told which process does.
func TestLock(t *testing.T) {
	dir := t.TempDir()
	l, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(dir); err == nil || !strings.Contains(err.Error(), "process ") || !strings.Contains(err.Error(), filepath.Base(os.Args[0])) {
		t.Errorf("a second lock: %v", err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	again, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Release(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("a released lock leaves %v", left)
	}
}

package study

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/saspart/saspart/internal/files"
	"github.com/saspart/saspart/runlog"
)

// Names in a study's folder.
const (
	InfoFile   = "study.yaml" // Info
	CellsDir   = "cells"      // a folder per cell, with a file per measurement
	configFile = "experiment.yaml"
)

// Info is what a study was.
type Info struct {
	Name        string      `yaml:"name"`
	Description string      `yaml:"description,omitempty"`
	Command     []string    `yaml:"command"` // the program and its arguments
	Version     string      `yaml:"version"`
	Started     time.Time   `yaml:"started"`
	Resumed     []time.Time `yaml:"resumed,omitempty"`
	Host        runlog.Host `yaml:"host"`
	Order       []string    `yaml:"order"` // cells, as they were asked for
	Contenders  []string    `yaml:"partitioners"`
	Policies    []string    `yaml:"policies,omitempty"` // the checkpoints that contenders follow, each with its digest
	// Planned are the measurements asked for in each cell. A study of an older version has
	// none, and cannot tell whether it is complete.
	Planned map[string]int `yaml:"planned,omitempty"`
	Matrix  any            `yaml:"matrix,omitempty"` // the resolved matrix
}

// Store is a study's folder:
//
//	study.yaml                            what was run, by which program, where
//	cells/CELL/experiment.yaml            the cell's job, as under its first contender
//	cells/CELL/PARTITIONER-seedN.json     a measurement (Record)
//
// Files are replaced as a whole, so that a study that is killed keeps what was done.
type Store struct {
	dir  string
	lock *runlog.Lock
}

// Create begins a study in dir. If resume is set it continues the study there; otherwise a
// folder that holds a study is refused.
func Create(dir string, info Info, resume bool) (*Store, error) {
	s := &Store{dir: dir}
	if err := s.create(info, resume); err != nil {
		return nil, errors.Join(fmt.Errorf("study %s: %w", dir, err), s.Close())
	}
	return s, nil
}

// Close lets other processes write to the folder.
func (s *Store) Close() error {
	lock := s.lock
	s.lock = nil
	return lock.Release()
}

func (s *Store) create(info Info, resume bool) (err error) {
	if _, err := os.Lstat(filepath.Join(s.dir, InfoFile)); err == nil && !resume {
		return errors.New("the folder already holds a study: continue it with --resume, or choose another name")
	}
	if err := os.MkdirAll(filepath.Join(s.dir, CellsDir), 0o777); err != nil {
		return err
	}
	if s.lock, err = runlog.Acquire(s.dir); err != nil {
		return err
	}
	before, err := ReadInfo(s.dir)
	switch {
	case err == nil:
		info.Resumed = append(before.Resumed, info.Started)
		info.Started = before.Started
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	text, err := yaml.Marshal(&info)
	if err != nil {
		return err
	}
	return files.Replace(filepath.Join(s.dir, InfoFile), text)
}

// ReadInfo reads what the study in dir was.
func ReadInfo(dir string) (*Info, error) {
	text, err := files.Read(filepath.Join(dir, InfoFile), files.Text)
	if err != nil {
		return nil, err
	}
	var info Info
	if err := yaml.Unmarshal(text, &info); err != nil {
		return nil, fmt.Errorf("%s: %w", InfoFile, err)
	}
	return &info, nil
}

// path is where a run's record lies.
func (s *Store) path(cell, contender string, seed uint64) string {
	return filepath.Join(s.dir, CellsDir, fileName(cell), fmt.Sprintf("%s-seed%d.json", fileName(contender), seed))
}

// fileName makes a name fit for a file.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-+", r) {
			return r
		}
		return '-'
	}, name)
}

// distinct refuses runs whose records would lie in one file.
func (s *Store) distinct(runs []Run) error {
	at := map[string]*Run{}
	for i := range runs {
		r := &runs[i]
		path := s.path(r.Cell.Name, r.Contender.Name, r.Seed)
		if o := at[path]; o != nil {
			return fmt.Errorf("study %s: %s of %s and %s of %s would be kept in one file, %s: give one another name",
				s.dir, o.Contender.Name, o.Cell.Name, r.Contender.Name, r.Cell.Name, filepath.Base(path))
		}
		at[path] = r
	}
	return nil
}

// Get returns the record of a run, if there is one that was made of the same settings
// and did not fail.
func (s *Store) Get(r *Run, digest string) (Record, bool) {
	rec, err := readRecord(s.path(r.Cell.Name, r.Contender.Name, r.Seed))
	return rec, err == nil && rec.Error == "" && digest != "" && rec.Digest == digest
}

// Put keeps the record of a run.
func (s *Store) Put(run *Run, r *Record) error {
	path := s.path(r.Cell, r.Partitioner, r.Seed)
	err := os.MkdirAll(filepath.Dir(path), 0o777)
	if err == nil {
		err = s.describe(run, filepath.Join(filepath.Dir(path), configFile))
	}
	if err == nil {
		var text []byte
		if text, err = r.Marshal(); err == nil {
			err = files.Replace(path, text)
		}
	}
	if err != nil {
		return fmt.Errorf("study %s: %w", s.dir, err)
	}
	return nil
}

// describe keeps a cell's experiment, once; one that could not be made has none.
func (s *Store) describe(run *Run, path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	e, err := run.Cell.Experiment(run.Contender, run.Seed)
	if err != nil {
		return nil
	}
	text, err := yaml.Marshal(e)
	if err != nil {
		return err
	}
	return files.Replace(path, text)
}

func readRecord(path string) (Record, error) {
	var r Record
	text, err := files.Read(path, files.Text)
	if err == nil {
		if err = json.Unmarshal(text, &r); err != nil {
			err = fmt.Errorf("%s: %w; remove the file to have it measured again", path, err)
		}
	}
	return r, err
}

// Read reads the study in dir: what it was, and its records, in the order that it was
// asked for.
func Read(dir string) (*Info, []Record, error) {
	info, err := ReadInfo(dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("it holds no study: there is no %s in it", InfoFile)
		}
		return nil, nil, fmt.Errorf("read study %s: %w", dir, err)
	}
	files, err := filepath.Glob(filepath.Join(escaped(dir), CellsDir, "*", "*.json"))
	if err != nil {
		return nil, nil, fmt.Errorf("read study %s: %w", dir, err)
	}
	var records []Record
	for _, f := range files {
		r, err := readRecord(f)
		if err != nil {
			return nil, nil, fmt.Errorf("read study: %w", err)
		}
		records = append(records, r)
	}
	rank := func(list []string, name string) int {
		if i := slices.Index(list, name); i >= 0 {
			return i
		}
		return len(list)
	}
	slices.SortStableFunc(records, func(a, b Record) int {
		for _, d := range []int{
			rank(info.Order, a.Cell) - rank(info.Order, b.Cell), strings.Compare(a.Cell, b.Cell),
			rank(info.Contenders, a.Partitioner) - rank(info.Contenders, b.Partitioner), strings.Compare(a.Partitioner, b.Partitioner),
		} {
			if d != 0 {
				return d
			}
		}
		return int(min(a.Seed, 1<<30)) - int(min(b.Seed, 1<<30))
	})
	return info, records, nil
}

// escaped keeps a folder's name from being read as a pattern.
func escaped(dir string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(dir)
}

package study

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/config/nearest"
	"github.com/saspart/saspart/config/strict"
	"github.com/saspart/saspart/configs"
	"github.com/saspart/saspart/eval/rate"
	"github.com/saspart/saspart/experiment"
)

// Kind is what is measured of a cell.
type Kind string

const (
	// Throughput is the highest rate held, with its price (rate.Measure).
	Throughput Kind = "throughput"
	// Stress is a fixed rate through a shifting distribution (rate.Stress).
	Stress Kind = "stress"
)

// Matrix is a study as its file describes it: partitioners over grids of experiments.
type Matrix struct {
	Name         string            `yaml:"name"`
	Description  string            `yaml:"description"` // one line, for reports
	Engine       string            `yaml:"engine"`
	Partitioners []string          `yaml:"partitioners"` // as ParseContenders reads them
	Checkpoint   string            `yaml:"checkpoint"`   // that saspartitioner follows
	Seeds        []uint64          `yaml:"seeds"`        // every cell is measured with each
	Throughput   rate.Config       `yaml:"throughput"`
	Stress       rate.StressConfig `yaml:"stress"`
	Grids        []Grid            `yaml:"grids"`
}

// Grid is all combinations of its axes' values, over an experiment.
type Grid struct {
	Name    string   `yaml:"name"`    // of cells, before the values' names; may be empty
	Measure Kind     `yaml:"measure"` // throughput, stress
	Base    string   `yaml:"base"`    // experiment file or ready experiment; empty: the defaults
	Set     []string `yaml:"set"`     // values of the experiment, path=value as --set takes them
	Warmup  int      `yaml:"warmup"`  // windows, in place of throughput.warmup; 0: as that says
	Windows int      `yaml:"windows"` // in place of throughput.windows; 0: as that says

	Partitioners []string `yaml:"partitioners"` // measured in these cells, of the matrix's; empty: all
	Seeds        []uint64 `yaml:"seeds"`        // in place of the matrix's; empty: those

	Axes []Axis `yaml:"axes"`
}

// SetDefaults implements strict.Defaulter.
func (g *Grid) SetDefaults() { g.Measure = Throughput }

// Axis is something that varies.
type Axis struct {
	Name   string  `yaml:"name"`
	Values []Value `yaml:"values"`
}

// Value is one of the things that an axis may be.
type Value struct {
	Name string   `yaml:"name"`
	Set  []string `yaml:"set"` // path=value; later axes win
}

// DefaultMatrix measures on sim with one seed.
func DefaultMatrix() Matrix {
	return Matrix{
		Name: "study", Engine: experiment.Sim, Partitioners: []string{"hash", "wchoices", "waterfill", "saspartitioner"},
		Checkpoint: "builtin", Seeds: []uint64{1}, Throughput: rate.Default(), Stress: rate.DefaultStress(),
	}
}

// LoadMatrix reads a matrix from a file, or the ready one of that name.
func LoadMatrix(name string, set []strict.Override) (*Matrix, error) {
	text, err := strict.ReadFile(name)
	if err != nil {
		built, ok := configs.ReadMatrix(strings.TrimSuffix(name, ".yaml"))
		if !ok {
			return nil, fmt.Errorf("%w; there is no ready matrix of that name either: %s", err, nearest.Explain(name, configs.MatrixNames()))
		}
		text, name = built, "built-in "+name
	}
	m := DefaultMatrix()
	if _, err := strict.Load(name, text, &m, strict.Layers{Set: set}); err != nil {
		return nil, err
	}
	return &m, nil
}

// Validate reports every impossible value by its path. What the cells' settings come
// to is checked when they are made.
func (m *Matrix) Validate() error {
	errs := []error{
		field.In("throughput", m.Throughput.Validate()),
		field.In("stress", m.Stress.Validate()),
		field.OneOf("engine", m.Engine, experiment.Engines()...),
		field.Check(!strings.ContainsAny(m.Description, "\r\n"), "description", "has several lines; it must be one"),
	}
	if _, err := ParseContenders(m.Partitioners, m.Checkpoint); err != nil {
		errs = append(errs, field.Errorf("partitioners", "%v", err))
	}
	for path, n := range map[string]int{"partitioners": len(m.Partitioners), "seeds": len(m.Seeds), "grids": len(m.Grids)} {
		errs = append(errs, field.Check(n > 0, path, "is empty; at least one is needed"))
	}
	errs = append(errs, distinct(m.Seeds))
	for i := range m.Grids {
		errs = append(errs, field.In(fmt.Sprintf("grids[%d]", i), m.Grids[i].validate(m.Partitioners)))
	}
	return errors.Join(errs...)
}

func distinct(seeds []uint64) error {
	var errs []error
	for i, s := range seeds {
		errs = append(errs, field.Check(!slices.Contains(seeds[:i], s), fmt.Sprintf("seeds[%d]", i), "is %d once more; seeds must differ", s))
	}
	return errors.Join(errs...)
}

// validate checks the grid of a matrix with the given partitioners.
func (g *Grid) validate(partitioners []string) error {
	errs := []error{
		distinct(g.Seeds),
		field.Whole("warmup", g.Warmup, 0, 1<<20), field.Whole("windows", g.Windows, 0, 1<<20),
		settings("set", g.Set),
		field.Check(g.Measure == Throughput || g.Measure == Stress, "measure", "is %q; it must be %s or %s", g.Measure, Throughput, Stress),
		field.Check(g.Name != "" || len(g.Axes) > 0, "name", "is empty; a grid without axes needs one, for its cell"),
	}
	for i, n := range g.Partitioners {
		known := slices.Contains(partitioners, n) || slices.Contains(partitioners, All)
		errs = append(errs, field.Check(known, fmt.Sprintf("partitioners[%d]", i), "is %q, which the matrix does not measure; %s", n, nearest.Explain(n, partitioners)))
	}
	for i, a := range g.Axes {
		at := fmt.Sprintf("axes[%d]", i)
		errs = append(errs,
			field.Check(a.Name != "", at+".name", "is empty"),
			field.Check(len(a.Values) > 0, at+".values", "is empty; at least one is needed"))
		for k, v := range a.Values {
			in := fmt.Sprintf("%s.values[%d]", at, k)
			errs = append(errs, field.Check(v.Name != "", in+".name", "is empty"), field.In(in, settings("set", v.Set)))
		}
	}
	return errors.Join(errs...)
}

func settings(path string, set []string) error {
	for i, s := range set {
		if at, _, ok := strings.Cut(s, "="); !ok || at == "" {
			return field.Errorf(fmt.Sprintf("%s[%d]", path, i), "is %q; write it as path=value, for example job.workers=16", s)
		}
	}
	return nil
}

// Label is what an axis is in a cell.
type Label struct {
	Axis  string `json:"axis"`
	Value string `json:"value"`
}

// Cell is one job of a study.
type Cell struct {
	Name   string
	Labels []Label
	Kind   Kind
	Base   string // experiment file, ready experiment or empty
	Set    []strict.Override
	Env    []string // variables that set values of the experiment, as os.Environ
	Rate   rate.Config
	Stress rate.StressConfig
	Engine string

	Partitioners []string // the contenders that are measured; empty: all
	Seeds        []uint64 // in place of the study's; empty: those
}

// Cells are the matrix's, in the order of its file, the last axis varying first.
func (m *Matrix) Cells() ([]Cell, error) {
	var cells []Cell
	for i := range m.Grids {
		g := &m.Grids[i]
		base := Cell{Name: g.Name, Kind: g.Measure, Base: g.Base, Rate: m.Throughput, Stress: m.Stress, Engine: m.Engine, Partitioners: g.Partitioners, Seeds: g.Seeds}
		if g.Warmup > 0 {
			base.Rate.Warmup, base.Stress.Warmup = g.Warmup, g.Warmup
		}
		if g.Windows > 0 {
			base.Rate.Windows = g.Windows
		}
		base.set(g.Set, "grid "+g.Name)
		cells = append(cells, base.over(g.Axes)...)
	}
	seen := map[string]bool{}
	for _, c := range cells {
		if seen[c.Name] {
			return nil, field.Errorf("grids", "have two cells called %q; name the grids or their values so that they differ", c.Name)
		}
		seen[c.Name] = true
	}
	return cells, nil
}

func (c *Cell) set(list []string, from string) {
	for _, s := range list {
		path, value, _ := strings.Cut(s, "=")
		c.Set = append(c.Set, strict.Override{Path: path, Value: value, From: from + ": " + s})
	}
}

// over is the cell with every combination of the axes' values.
func (c Cell) over(axes []Axis) []Cell {
	if len(axes) == 0 {
		return []Cell{c}
	}
	var out []Cell
	for _, v := range axes[0].Values {
		next := c
		next.Set = slices.Clone(c.Set)
		next.Labels = append(slices.Clone(c.Labels), Label{axes[0].Name, v.Name})
		next.Name = strings.TrimPrefix(c.Name+" "+v.Name, " ")
		next.set(v.Set, axes[0].Name+" "+v.Name)
		out = append(out, next.over(axes[1:])...)
	}
	return out
}

// Experiment is the cell's job under a contender, with a seed.
func (c *Cell) Experiment(p Contender, seed uint64) (*config.Experiment, error) {
	set := append(slices.Clone(c.Set), strict.Override{Path: "seed", Value: fmt.Sprint(seed), From: "seed"})
	e, _, err := config.Load(c.Base, c.Env, append(set, p.overrides("partitioner "+p.Name)...))
	return e, err
}

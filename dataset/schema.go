// Package dataset reads and writes traces: recorded sequences of metric windows,
// as Arrow IPC files that pandas, polars and duckdb read too. FORMAT.md
// describes the format column by column.
package dataset

import (
	"fmt"
	"strconv"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/saspart/saspart/policy"
)

// Version is the format version that this package writes. It reads all versions up to it.
const Version = 2

// Ext is the extension of a trace; TailExt is added to a trace's whole name for
// the file that holds its newest windows while it is being written.
const (
	Ext     = ".arrow"
	TailExt = ".tail"
)

// Names of the schema's metadata.
const (
	metaFormat      = "saspart.format"
	metaVersion     = "saspart.version"
	metaWorkers     = "saspart.workers"
	metaSeed        = "saspart.seed"
	metaEngine      = "saspart.engine"
	metaPartitioner = "saspart.partitioner"
	metaConfig      = "saspart.config"
	metaMask        = "saspart.mask" // reserved: empty
	metaCreated     = "saspart.created"

	formatName = "trace"
)

// Meta describes the run that a trace was recorded from. It is part of the
// file's bytes: equal runs with equal metadata give equal files.
type Meta struct {
	Workers     int    // P; every per-worker column has this many elements, or none
	Seed        uint64 // the run's seed
	Engine      string // sim, local, fluid or flink
	Partitioner string // the behaviour partitioner, several separated by commas
	Config      string // the resolved configuration, YAML
	Created     string // by which program, and whatever else the caller wants to record
}

// schemaOf is the Arrow schema of a trace of the present version with metadata m.
func schemaOf(cols []column[row], m *Meta) *arrow.Schema {
	md := arrow.NewMetadata(
		[]string{metaFormat, metaVersion, metaWorkers, metaSeed, metaEngine, metaPartitioner, metaConfig, metaMask, metaCreated},
		[]string{formatName, strconv.Itoa(Version), strconv.Itoa(m.Workers), strconv.FormatUint(m.Seed, 10),
			m.Engine, m.Partitioner, m.Config, "", m.Created},
	)
	return arrow.NewSchema(fileFields(cols, Version), &md)
}

// fileFields are the fields of a format version, of which cols are the columns.
func fileFields(cols []column[row], version int) []arrow.Field {
	fields := fieldsOf(cols)
	if hasChecks(version) {
		fields = append(fields, checkField)
	}
	return fields
}

// metaOf reads the metadata back, and returns the trace's version. It refuses what is not a
// trace: another kind of Arrow file, an unknown format version, other columns.
func metaOf(s *arrow.Schema) (Meta, int, error) {
	md := s.Metadata()
	value := func(name string) string {
		v, _ := md.GetValue(name)
		return v
	}
	var m Meta
	if value(metaFormat) != formatName {
		return m, 0, fmt.Errorf("an Arrow file, but not a trace: its metadata lacks %s=%s; traces are made by `saspart collect`", metaFormat, formatName)
	}
	version, err := strconv.Atoi(value(metaVersion))
	if err != nil || version < 1 || version > Version {
		return m, 0, fmt.Errorf("trace format version %q; this program reads versions 1 to %d: collect again, or use the program that made it", value(metaVersion), Version)
	}
	if m.Workers, err = strconv.Atoi(value(metaWorkers)); err != nil || m.Workers < 1 || m.Workers > policy.MaxWorkers {
		return m, 0, fmt.Errorf("metadata %s is %q; it must be a whole number from 1 to %d", metaWorkers, value(metaWorkers), policy.MaxWorkers)
	}
	if m.Seed, err = strconv.ParseUint(value(metaSeed), 10, 64); err != nil {
		return m, 0, fmt.Errorf("metadata %s is %q; it must be a whole number", metaSeed, value(metaSeed))
	}
	m.Engine, m.Partitioner = value(metaEngine), value(metaPartitioner)
	m.Config, m.Created = value(metaConfig), value(metaCreated)

	fields := fileFields(columnsOf(version), version)
	for i, want := range fields {
		if i >= s.NumFields() {
			return m, 0, fmt.Errorf("column %d, %s, is missing", i, want.Name)
		}
		if got := s.Field(i); got.Name != want.Name || !arrow.TypeEqual(got.Type, want.Type) {
			return m, 0, fmt.Errorf("column %d is %s of type %v; format version %d has %s of type %v there", i, got.Name, got.Type, version, want.Name, want.Type)
		}
	}
	if s.NumFields() > len(fields) {
		return m, 0, fmt.Errorf("column %d, %s, is none of format version %d", len(fields), s.Field(len(fields)).Name, version)
	}
	return m, version, nil
}

// checkShape returns an error for per-worker columns of a wrong length and for workers out
// of range, which would make a learner index past its arrays.
func checkShape(w *policy.Window, workers int) error {
	for _, c := range []struct {
		name string
		n    int
	}{{"counts", len(w.Counts)}, {"units", len(w.Units)}, {"busy", len(w.Busy)}, {"queue", len(w.Queue)}, {"times", len(w.Times)}} {
		if c.n != 0 && c.n != workers {
			return fmt.Errorf("%s has %d elements for %d workers", c.name, c.n, workers)
		}
	}
	for i, k := range w.Realised {
		if k.Worker < 0 || k.Worker >= workers {
			return fmt.Errorf("realised[%d] is at worker %d of %d", i, k.Worker, workers)
		}
	}
	for i := range w.Times {
		if err := w.Times[i].Validate(policy.SlotCount(policy.MaxWorkers)); err != nil {
			return fmt.Errorf("worker %d: %w", i, err)
		}
	}
	if w.Route != nil && w.Route.Workers != workers {
		return fmt.Errorf("the route is for %d workers, the trace for %d", w.Route.Workers, workers)
	}
	return nil
}

// rawSize is about what a window takes before compression, in bytes.
func rawSize(w *policy.Window) int {
	n := 256 + 8*(len(w.Counts)+len(w.Units)+len(w.Busy)+len(w.Queue)+len(w.Reducer)+len(w.Slots)) + 24*len(w.Realised)
	for _, t := range w.Times {
		n += 40 + 24*len(t.Slots)
		for _, k := range t.Keys {
			n += 32 + len(k.Name)
		}
	}
	for _, k := range w.Hot {
		n += 32 + len(k.Name)
	}
	if w.Route != nil {
		n += 2 * len(w.Route.Slots)
		for _, k := range w.Route.Keys {
			n += 24 + len(k.Name) + 10*len(k.Workers)
		}
	}
	return n
}

// Bounds of a batch. The reader refuses to take more than maxBatchBytes of memory
// for one, whatever a corrupt file claims; the writer stays well below.
const (
	groupWindows   = 64
	groupBytes     = 16 << 20
	maxWindowBytes = 64 << 20
	maxBatchBytes  = 256 << 20
)

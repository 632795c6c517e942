package stream

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/saspart/saspart/config/field"
)

// SourceEnv is what a job passes to the sources of its partitioner subtasks.
type SourceEnv struct {
	Subtasks int    // how many sources share the stream
	Seed     uint64 // of the job
	Replica  uint64 // synthetic sources of another replica draw other records of the same keys and payloads
	Task     string // name of the task; only the payload that it reads is filled in
	// OpenFile opens sources of kind file, in subtask order: file.Open. nil: they are refused.
	OpenFile func(cfg FileConfig, payload Payload, subtasks int) ([]Source, error)
}

// OpenSources opens the source of every subtask, in subtask order. Together they are the
// stream that cfg describes. Synthetic sources draw independently of each other and share
// immutable tables; of a file, subtask s of S reads the rows s, s+S, .... Each source is for
// one goroutine. CloseSources closes them.
//
// Errors are those of cfg.Validate, an unknown task and, for a file, an unusable path, format
// or column.
func OpenSources(cfg SourceConfig, env SourceEnv) ([]Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	task, err := findTask(env.Task)
	if err != nil {
		return nil, err
	}
	if env.Subtasks < 1 {
		return nil, fmt.Errorf("source: %d subtasks; at least 1 is needed", env.Subtasks)
	}
	if cfg.Kind == KindFile {
		if err := field.In("file", cfg.File.validatePayload(&task)); err != nil {
			return nil, fmt.Errorf("source: %w", err)
		}
		if env.OpenFile == nil {
			return nil, fmt.Errorf("source: %s: this program does not read files", cfg.File.Path)
		}
		return env.OpenFile(cfg.File, task.payload, env.Subtasks)
	}
	open := newSynthetic(cfg, env, newPools(task.payload, &cfg, env.Seed))
	sources := []Source{}
	for s := range env.Subtasks {
		sources = append(sources, open(uint64(s)))
	}
	return sources, nil
}

// CloseSources closes the sources that implement io.Closer.
func CloseSources(sources []Source) error {
	var errs []error
	for _, s := range sources {
		if c, ok := s.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// newSynthetic builds what the subtasks share and returns the function that makes
// one subtask's source.
func newSynthetic(cfg SourceConfig, env SourceEnv, pools *pools) func(subtask uint64) Source {
	seed := env.Seed
	n := cfg.Keys
	if cfg.Kind == KindDrift {
		n-- // the drifting key is one of them
	}
	keys := newKeys(n)
	if cfg.Shuffle {
		deal(keys, slices.Clone(keys), newPCG(seed, forShuffle, 0))
	}
	draw := func(subtask uint64) drawer {
		subtask += env.Replica << 32
		return drawer{newPCG(seed, forKeys, subtask), newPCG(seed, forPayload, subtask), pools}
	}
	switch cfg.Kind {
	case KindZipfSequence:
		var tables []alias
		for _, e := range cfg.Sequence.Exponents {
			tables = append(tables, newAlias(ZipfPMF(n, e)))
		}
		return func(subtask uint64) Source {
			return &zipfSequence{
				tables: tables, names: keys, keys: slices.Clone(keys), seed: seed,
				interval: int64(cfg.Sequence.Interval), reshuffle: cfg.Sequence.Reshuffle, draw: draw(subtask),
			}
		}
	case KindDrift:
		table := newAlias(ZipfPMF(n, cfg.Exponent))
		return func(subtask uint64) Source {
			return &drift{
				table: table, keys: keys, drifting: key{driftingKey, Hash(driftingKey)},
				low: cfg.Drift.Low, high: cfg.Drift.High, period: int64(cfg.Drift.Period), draw: draw(subtask),
			}
		}
	}
	table := newAlias(ZipfPMF(n, cfg.Exponent))
	return func(subtask uint64) Source { return &zipf{table: table, keys: keys, draw: draw(subtask)} }
}

// driftingKey is the name of the key whose probability a drift source moves.
const driftingKey = "key-drifting"

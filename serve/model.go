package serve

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
)

// Model makes the controllers of a server's jobs.
type Model struct {
	Name   string // for people: "builtin", the folder's name
	Digest string // of its checkpoint; "": unknown
	// New returns the controller of a job of P workers, or why there is none.
	New func(workers int) (policy.Controller, error)
	// Keys returns the hot keys that the policies for P workers were trained on, one list for
	// each policy: the part of the records that each key had, by rank. If Keys is nil, or
	// returns no list, the policies suit any keys.
	Keys func(workers int) [][]float64

	generation uint64 // of a served model: the first is 1
}

// CheckpointModel is the model of a checkpoint. config must be valid.
func CheckpointModel(name string, c *checkpoint.Checkpoint, config learned.Config) *Model {
	return &Model{
		Name: name, Digest: cmp.Or(c.Whole, c.Digest),
		New: func(workers int) (policy.Controller, error) { return learned.New(c, config, workers) },
		Keys: func(workers int) [][]float64 {
			if checkpoint.FitsJob(c, workers) != nil {
				return nil
			}
			return trainedOn(learned.PoolMember{Checkpoint: c})
		},
	}
}

// LoadModel reads the checkpoint that dir holds, as a checkpoint's folder or a training
// run's, or the built-in one for checkpoint.BuiltinName.
func LoadModel(dir string, config learned.Config) (*Model, error) {
	c, err := checkpoint.Open(dir)
	if err != nil {
		return nil, err
	}
	return CheckpointModel(strings.ToValidUTF8(filepath.Base(filepath.Clean(dir)), "?"), c, config), nil
}

// PoolModel is the model of the pool in dir (learned.LoadPool). Of the members that were
// trained for a job's number of workers, the job follows the one whose keys were nearest
// to its own.
func PoolModel(dir string, config learned.Config) (*Model, error) {
	pool, err := learned.LoadPool(dir)
	if err != nil {
		return nil, err
	}
	fitting := func(workers int) []learned.PoolMember {
		return slices.DeleteFunc(slices.Clone(pool), func(m learned.PoolMember) bool { return checkpoint.FitsJob(m.Checkpoint, workers) != nil })
	}
	return &Model{
		Name: fmt.Sprintf("pool of %d", len(pool)),
		Keys: func(workers int) [][]float64 { return trainedOn(fitting(workers)...) },
		New: func(workers int) (policy.Controller, error) {
			fit := fitting(workers)
			if len(fit) == 0 {
				return nil, fmt.Errorf("none of the %d members of the pool was trained for %d workers", len(pool), workers)
			}
			return learned.NewAdaptive(fit, config, workers)
		},
	}, nil
}

// Watch polls a checkpoint's folder until ctx is done, and makes the server use each new
// checkpoint. If one cannot be read, Watch logs the error once and the previous checkpoint
// stays.
func Watch(ctx context.Context, s *Server, dir string, config learned.Config, every time.Duration, log *slog.Logger) {
	last, complaint := "", "" // a checkpoint written since the server started is loaded at once
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		now := stamp(dir)
		if now == last && complaint == "" {
			continue
		}
		m, err := LoadModel(dir, config)
		if err != nil {
			if err.Error() != complaint {
				complaint = err.Error()
				log.Warn("the checkpoint cannot be read; the previous one stays", "error", err)
			}
			continue
		}
		last, complaint = now, ""
		if s.SetModel(m) {
			log.Info("a new checkpoint is in use", "model", m.Name, "digest", short(m.Digest))
		}
	}
}

// stamp identifies the checkpoint in a folder.
func stamp(dir string) string {
	found, err := checkpoint.Find(dir)
	if err != nil {
		return ""
	}
	info, err := os.Stat(filepath.Join(found, "manifest.json"))
	if err != nil {
		return ""
	}
	return fmt.Sprint(found, info.ModTime().UnixNano(), info.Size())
}

// short returns the beginning of a digest, which is enough to distinguish checkpoints.
func short(digest string) string { return digest[:min(len(digest), 12)] }

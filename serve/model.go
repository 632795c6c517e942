package serve

import (
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

// Model is what decides for the jobs of a server.
type Model struct {
	Name   string // for people: "builtin", the folder's name
	Digest string // of what it is made of; "" unknown
	// New returns the controller of a job of P workers, or why there is none.
	New func(workers int) (policy.Controller, error)
	// Keys returns what part of the records each hot key had, by rank, that New's
	// policies were trained on: one list for each policy that may decide for a job of P
	// workers. nil, and an empty list of lists: they suit any keys.
	Keys func(workers int) [][]float64

	generation uint64 // of a served model: the first is 1
}

// CheckpointModel is the model of a checkpoint. config must be valid.
func CheckpointModel(name string, c *checkpoint.Checkpoint, config learned.Config) *Model {
	return &Model{
		Name: name, Digest: c.Digest,
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
	if dir == checkpoint.BuiltinName {
		c, err := checkpoint.Builtin()
		if err != nil {
			return nil, err
		}
		return CheckpointModel(checkpoint.BuiltinName, c, config), nil
	}
	found, err := checkpoint.Find(dir)
	if err != nil {
		return nil, err
	}
	c, err := checkpoint.Load(found)
	if err != nil {
		return nil, err
	}
	return CheckpointModel(strings.ToValidUTF8(filepath.Base(filepath.Clean(dir)), "?"), c, config), nil
}

// PoolModel is the model of the pool in dir (learned.LoadPool): for each job it follows
// the member that was trained on the keys most like the job's, of those that were
// trained for its number of workers.
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

// Watch looks at a checkpoint's folder every so often, until ctx is done, and has the
// server take up what is written there. What cannot be read is told of once, and what
// served before goes on serving.
func Watch(ctx context.Context, s *Server, dir string, config learned.Config, every time.Duration, log *slog.Logger) {
	last, complaint := "", "" // what has changed since the server began is found at once
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
				log.Warn("the checkpoint cannot be read; the one before it serves on", "error", err)
			}
			continue
		}
		last, complaint = now, ""
		if s.SetModel(m) {
			log.Info("another checkpoint serves", "model", m.Name, "digest", short(m.Digest))
		}
	}
}

// stamp changes whenever another checkpoint is put into a folder.
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

// short is enough of a digest to tell checkpoints apart.
func short(digest string) string { return digest[:min(len(digest), 12)] }

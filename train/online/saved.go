package online

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/saspart/saspart/internal/files"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/replay"
)

// statusFile holds, in a checkpoint's folder, the state of an online training beside
// the trainer's state and the replay.
const statusFile = "online.json"

// manifest is statusFile.
type manifest struct {
	Status json.RawMessage `json:"status"`
	Replay string          `json:"replay_sha256"`
}

// trainer is what trainers of both actions have in common.
type trainer interface {
	State() (train.State, error)
	Restore(s train.State) error
}

// saveFull writes a checkpoint with everything that resuming needs: the trainer's
// state, the fingerprint of the recorded data, the replay and the status.
func saveFull(folder string, c *checkpoint.Checkpoint, t trainer, data string, memory interface{ Write(io.Writer) error }, status []byte) error {
	state, err := t.State()
	if err != nil {
		return err
	}
	return checkpoint.Save(folder, c, train.Saved{State: state, Data: data}.Write, func(folder string) error {
		var written bytes.Buffer
		if err := memory.Write(&written); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, replay.File), written.Bytes(), 0o644); err != nil {
			return err
		}
		text, err := json.Marshal(manifest{Status: status, Replay: digest(written.Bytes())})
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(folder, statusFile), append(text, '\n'), 0o644)
	})
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// loadFull restores a trainer from what saveFull wrote, hands the replay to read, and
// returns the status.
func loadFull(folder string, t trainer, data string, read func(replay []byte) error) (*Status, error) {
	from, err := train.ReadSaved(folder)
	if err != nil {
		return nil, err
	}
	if from.Data != data {
		return nil, fmt.Errorf("resume from checkpoint %s: it also learned from other recorded windows; name the same unchanged traces, or another --out", folder)
	}
	memory, status, err := readReplay(folder)
	if err == nil {
		err = read(memory)
	}
	if err == nil {
		err = t.Restore(from.State)
	}
	if err != nil {
		return nil, fmt.Errorf("resume from checkpoint %s: %w", folder, err)
	}
	return status, nil
}

// readReplay reads the replay and the status from a checkpoint's folder.
func readReplay(folder string) ([]byte, *Status, error) {
	text, err := files.Read(filepath.Join(folder, statusFile), files.Bulk)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("it has no %s, so it is not of an online training; name it with --checkpoint to start from it", statusFile)
	}
	if err != nil {
		return nil, nil, err
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", statusFile, err)
	}
	status := &Status{}
	if err := json.Unmarshal(m.Status, status); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", statusFile, err)
	}
	data, err := files.Read(filepath.Join(folder, replay.File), files.Bulk)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("it has no %s, so an earlier version wrote it, whose trainings this one can't resume; name it with --checkpoint to start from it", replay.File)
	}
	if err != nil {
		return nil, nil, err
	}
	if digest(data) != m.Replay {
		return nil, nil, fmt.Errorf("%s: is damaged, its SHA-256 is not that in %s", replay.File, statusFile)
	}
	return data, status, nil
}

// Status is the state of a training apart from that of its learner and its jobs: its
// outcome so far, and the counts that its stop rules and metrics need. Every full
// checkpoint holds it.
type Status struct {
	Outcome
	Since    int      `json:"since"`              // evaluations since the best
	Rewards  float64  `json:"rewards"`            // of the current episode
	Steps    int      `json:"steps"`              // windows of the current episode
	Returned *float64 `json:"returned,omitempty"` // return of the last whole episode
	Jobs     [][]byte `json:"jobs"`               // state of each explored job
}

// status is the status as it is saved.
func (r *run) status() ([]byte, error) {
	r.Jobs = make([][]byte, len(r.Envs))
	for i, e := range r.Envs {
		var err error
		if r.Jobs[i], err = e.Save(); err != nil {
			return nil, fmt.Errorf("save job %d: %w", i, err)
		}
	}
	return json.Marshal(r.Status)
}

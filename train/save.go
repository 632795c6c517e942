package train

import (
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
	"github.com/saspart/saspart/policy/network"
)

// Names of the two checkpoints that a training keeps in its folder.
const (
	Last = "last" // the newest, and the only one that a training can resume from
	Best = "best" // the one with the best score
)

// The files for resuming a training, beside the policy's in a checkpoint.
const (
	trainerFile = "trainer.safetensors" // every tensor of State
	resumeFile  = "trainer.json"        // the rest of Saved
)

// savedFormat is the version of the two files.
const savedFormat = 1

// Saved is the state of a training that can be resumed.
type Saved struct {
	State State
	Data  string   // fingerprint of the transitions trained on
	Best  *float64 // score of the best checkpoint so far; nil before the first
}

// savedManifest is resumeFile.
type savedManifest struct {
	Format    int      `json:"format"`
	Updates   uint64   `json:"updates"`
	Generator []byte   `json:"generator"`
	Tensors   []string `json:"tensors"` // names in the order of State
	Digest    string   `json:"trainer_sha256"`
	Data      string   `json:"data"`
	Best      *float64 `json:"best,omitempty"`
}

// Write writes s into a checkpoint's folder. Pass it to checkpoint.Save as extra: the
// whole folder then appears at once or not at all.
func (s Saved) Write(folder string) error {
	m := savedManifest{
		Format: savedFormat, Updates: s.State.Updates, Generator: s.State.Generator, Data: s.Data, Best: s.Best,
	}
	for _, t := range s.State.Tensors {
		m.Tensors = append(m.Tensors, t.Name)
	}
	f, err := os.Create(filepath.Join(folder, trainerFile))
	if err != nil {
		return err
	}
	sum := sha256.New()
	err = checkpoint.WriteTensors(io.MultiWriter(f, sum), s.State.Tensors)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", trainerFile, err)
	}
	m.Digest = hex.EncodeToString(sum.Sum(nil))
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", resumeFile, err)
	}
	return os.WriteFile(filepath.Join(folder, resumeFile), append(text, '\n'), 0o644)
}

// HasSaved reports whether the training of the checkpoint in folder can be resumed.
func HasSaved(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, resumeFile))
	return err == nil
}

// ReadSaved reads what Write has written. If there is no checkpoint in the folder, the
// error is fs.ErrNotExist.
func ReadSaved(folder string) (Saved, error) {
	s, err := readSaved(folder)
	if err != nil {
		return Saved{}, fmt.Errorf("resume from checkpoint %s: %w", folder, err)
	}
	return s, nil
}

func readSaved(folder string) (s Saved, err error) {
	text, err := files.Read(filepath.Join(folder, resumeFile), files.Text)
	if errors.Is(err, fs.ErrNotExist) {
		if _, other := os.Stat(folder); other == nil {
			return s, fmt.Errorf("it has no %s: it can serve, but its training cannot be resumed", resumeFile)
		}
	}
	if err != nil {
		return s, err
	}
	var m savedManifest
	if err := json.Unmarshal(text, &m); err != nil {
		return s, fmt.Errorf("%s: %w", resumeFile, err)
	}
	if m.Format != savedFormat {
		return s, fmt.Errorf("%s: is of format %d; this version reads %d: train from scratch", resumeFile, m.Format, savedFormat)
	}
	data, err := files.Read(filepath.Join(folder, trainerFile), files.Bulk)
	if err != nil {
		return s, err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != m.Digest {
		return s, fmt.Errorf("%s: is damaged, its SHA-256 is not that in %s", trainerFile, resumeFile)
	}
	tensors, err := checkpoint.ParseTensors(data)
	if err != nil {
		return s, fmt.Errorf("%s: %w", trainerFile, err)
	}
	byName := make(map[string]network.Tensor, len(tensors))
	for _, t := range tensors {
		byName[t.Name] = t
	}
	s = Saved{State: State{Updates: m.Updates, Generator: m.Generator}, Data: m.Data, Best: m.Best}
	for _, name := range m.Tensors {
		t, ok := byName[name]
		if !ok {
			return s, fmt.Errorf("%s: tensor %s is missing", trainerFile, name)
		}
		s.State.Tensors = append(s.State.Tensors, t)
	}
	return s, nil
}

package online

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

	"github.com/saspart/saspart/train/replay"
)

// statusFile holds, in a checkpoint's folder, what a training on a running job has
// beside the trainer's state and the replay.
const statusFile = "online.json"

// saved is statusFile.
type saved struct {
	Status json.RawMessage `json:"status"`
	Replay string          `json:"replay_sha256"`
}

// remembered is a replay that writes itself.
type remembered interface {
	Write(w io.WriteSeeker) error
}

// writeReplay writes replay and status into a checkpoint's folder.
func writeReplay(r remembered, status []byte) func(folder string) error {
	return func(folder string) error {
		path := filepath.Join(folder, replay.File)
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		if err := errors.Join(r.Write(f), f.Close()); err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text, err := json.Marshal(saved{Status: status, Replay: digest(data)})
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(folder, statusFile), append(text, '\n'), 0o644)
	}
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// readReplay reads what writeReplay wrote.
func readReplay(folder string) ([]byte, *Status, error) {
	text, err := os.ReadFile(filepath.Join(folder, statusFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("it has no %s: it was not trained on a running job; name it with --checkpoint to start from it", statusFile)
	}
	if err != nil {
		return nil, nil, err
	}
	var m saved
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", statusFile, err)
	}
	status, err := ParseStatus(m.Status)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", statusFile, err)
	}
	data, err := os.ReadFile(filepath.Join(folder, replay.File))
	if err != nil {
		return nil, nil, err
	}
	if digest(data) != m.Replay {
		return nil, nil, fmt.Errorf("%s: is damaged, its SHA-256 is not that in %s", replay.File, statusFile)
	}
	return data, status, nil
}

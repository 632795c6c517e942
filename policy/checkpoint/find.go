package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Find returns the checkpoint folder that dir refers to. That is dir itself or, for the folder
// of a training run, its best checkpoint, or its last if there is no best one yet.
func Find(dir string) (string, error) {
	for _, name := range []string{".", "checkpoints/best", "checkpoints/last"} {
		folder := filepath.Join(dir, name)
		_, err := os.Stat(filepath.Join(folder, manifestFile))
		if err == nil {
			return folder, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("find checkpoint %s: %w", dir, err)
		}
	}
	return "", fmt.Errorf("find checkpoint %s: there is no %s in it, nor in its checkpoints/best and checkpoints/last; is it the folder of a checkpoint or of a training run?", dir, manifestFile)
}

// Open reads the checkpoint that a command names: BuiltinName, or a folder that Find takes.
func Open(name string) (*Checkpoint, error) {
	if name == BuiltinName {
		return Builtin()
	}
	dir, err := Find(name)
	if err != nil {
		return nil, err
	}
	return Load(dir)
}

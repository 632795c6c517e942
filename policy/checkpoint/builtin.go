package checkpoint

import (
	"embed"
	"fmt"
	"io/fs"
)

// BuiltinName is the name by which commands ask for the built-in checkpoint in place
// of a folder.
const BuiltinName = "builtin"

// builtinFiles is the checkpoint that `make builtin` trains.
//
//go:embed builtin/manifest.json builtin/policy.safetensors
var builtinFiles embed.FS

// Builtin returns the checkpoint that is part of the program: a capacity policy, for
// any number of workers, trained as docs/capacity.md, "The training" says. Each call returns
// one of its own.
func Builtin() (*Checkpoint, error) {
	files, err := fs.Sub(builtinFiles, "builtin")
	if err != nil {
		return nil, fmt.Errorf("built-in checkpoint: %w", err)
	}
	c, err := Read(files)
	if err != nil {
		return nil, fmt.Errorf("built-in checkpoint: %w; train it again with `make builtin`", err)
	}
	return c, nil
}

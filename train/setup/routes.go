package setup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/saspart/saspart/internal/files"
	"github.com/saspart/saspart/train/online"
)

// RouteFile is a file that holds where the policy sent the hot keys at the first and at
// the newest evaluation, for the report page.
type RouteFile string

// routes is the file.
type routes struct {
	Before online.RouteMap  `json:"before"`
	After  *online.RouteMap `json:"after,omitempty"`
}

// Evaluated is for online.Training: it writes the file after an evaluation.
func (f RouteFile) Evaluated(_ online.Evaluation, now online.RouteMap) error {
	var r routes
	text, err := files.Read(string(f), files.Text)
	switch {
	case err == nil:
		if err := json.Unmarshal(text, &r); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
		r.After = &now
	case errors.Is(err, fs.ErrNotExist):
		r.Before = now
	default:
		return err
	}
	if text, err = json.Marshal(&r); err != nil {
		return err
	}
	return files.Replace(string(f), text)
}

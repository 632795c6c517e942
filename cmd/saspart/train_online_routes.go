package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/saspart/saspart/train/online"
)

// routeFile keeps where the policy put the hot keys at the first and at the newest
// evaluation, for the report.
type routeFile struct {
	path string
}

// routes is the file.
type routes struct {
	Before online.RouteMap  `json:"before"`
	After  *online.RouteMap `json:"after,omitempty"`
}

func (f *routeFile) evaluated(_ online.Evaluation, now online.RouteMap) error {
	var r routes
	text, err := os.ReadFile(f.path)
	switch {
	case err == nil:
		if err := json.Unmarshal(text, &r); err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
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
	if err := os.WriteFile(f.path+".new", text, 0o666); err != nil {
		return err
	}
	return os.Rename(f.path+".new", f.path)
}

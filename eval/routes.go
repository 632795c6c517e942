package eval

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/saspart/saspart/internal/files"
	"github.com/saspart/saspart/runlog"
)

// routeMap is a route in runlog.RoutesFile.
type routeMap struct {
	Keys   []string    `json:"keys"`
	Loads  []float64   `json:"loads"`
	Shares [][]float64 `json:"shares"`
}

// routeSection shows where a training's policy has put the hot keys before and after,
// in a run that tells.
func routeSection(dir string) ([]Section, error) {
	text, err := files.Read(filepath.Join(dir, runlog.RoutesFile), files.Text)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var routes struct {
		Before routeMap  `json:"before"`
		After  *routeMap `json:"after"`
	}
	if err := json.Unmarshal(text, &routes); err != nil {
		return nil, fmt.Errorf("%s: %w", runlog.RoutesFile, err)
	}
	s := Section{
		Heading: "Routes",
		Text:    "Which part of each hot key's records goes to which worker, heaviest key first; behind a key's name, its part of all records.",
	}
	add := func(title string, r *routeMap) {
		if r == nil || len(r.Keys) == 0 || len(r.Keys) != len(r.Shares) || len(r.Loads) != len(r.Keys) {
			return
		}
		var names []string
		for i, k := range r.Keys {
			names = append(names, fmt.Sprintf("%s %.1f %%", cut(k, 12), 100*r.Loads[i]))
		}
		s.Figures = append(s.Figures, Figure{Title: title, SVG: heat(title, names, r.Shares)})
	}
	add("Before", &routes.Before)
	add("After", routes.After)
	if len(s.Figures) == 0 {
		return nil, nil
	}
	return []Section{s}, nil
}

//go:build torch

package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Trainings that are killed at random moments end as undisturbed ones when they are resumed.
func TestKillsOfTrainings(t *testing.T) {
	if testing.Short() {
		t.Skip("trains several times")
	}
	traces := t.TempDir()
	if code, _, narration := saspart(t, nil, "collect", "--config", "wordcount-zipf", "--partitioner", "dalton-offline", "--windows", "40", "--out", traces); code != codeOK {
		t.Fatal(narration)
	}
	for _, k := range []killable{
		{"train-offline", []string{"train-offline", "--data", filepath.Join(traces, "*.arrow"), "--steps", "60", "--set", "checkpoint_every=5"}, "run.yaml", outputs},
		{"train-online", []string{"train-online", "--config", "reference-8", "--engine", "fluid", "--max-windows", "300", "--seed", "2"}, "run.yaml", outputs},
	} {
		t.Run(k.name, k.check)
	}
}

// outputs returns the files of a run that do not depend on the clock.
func outputs(t *testing.T, dir string) map[string]string {
	out := map[string]string{}
	err := filepath.WalkDir(filepath.Join(dir, "checkpoints"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "online.json" { // with the clock's times
			return err
		}
		text, err := os.ReadFile(path)
		out[strings.TrimPrefix(path, dir)] = string(text)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return out
}

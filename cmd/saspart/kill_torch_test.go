//go:build torch

package main

import (
	"path/filepath"
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

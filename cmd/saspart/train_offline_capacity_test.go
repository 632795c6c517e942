package main

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/saspart/saspart/configs"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/network"
	"github.com/saspart/saspart/train/offline"
)

// TestReadyCapacityTraining: the ready configuration loads, and holds what the package
// says that it holds.
func TestReadyCapacityTraining(t *testing.T) {
	for _, name := range []string{"", "capacity"} {
		got, err := (&app{}).loadTraining(trainOfflineOptions{config: name, action: checkpoint.KindCapacity})
		if want := offline.DefaultCapacity(); err != nil || !reflect.DeepEqual(got, &want) {
			t.Errorf("%q holds\n%+v\nwant\n%+v, %v", name, got, want, err)
		}
	}
	if got := strings.Join(configs.CapacityNames(), " "); got != "capacity" {
		t.Errorf("ready trainings %s", got)
	}
	if _, err := (&app{}).loadTraining(trainOfflineOptions{config: "reference", action: checkpoint.KindCapacity}); err == nil || !strings.Contains(err.Error(), "capacity") {
		t.Errorf("a configuration of the shares action: %v", err)
	}
}

// TestTrainCapacityRefuses: errors are reported before traces are read.
func TestTrainCapacityRefuses(t *testing.T) {
	if !offline.Available {
		t.Skip("built without libtorch")
	}
	dir := t.TempDir()
	data, out := filepath.Join(dir, "*.arrow"), filepath.Join(dir, "out")
	shares := &checkpoint.Checkpoint{
		Format: checkpoint.Format, Kind: checkpoint.KindShares,
		Shares: &checkpoint.SharesSpec{Workers: 2, Mask: [][]uint16{{0, 1}}, HotKeys: 1, Hidden: []int{1}},
		Tensors: []network.Tensor{
			{Name: "0.weight", Shape: []int{1, 4, 1}, Data: make([]float32, 4)}, {Name: "0.bias", Shape: []int{1, 1}, Data: make([]float32, 1)},
			{Name: "1.weight", Shape: []int{1, 1, 4}, Data: make([]float32, 4)}, {Name: "1.bias", Shape: []int{1, 4}, Data: make([]float32, 4)},
		},
	}
	if err := checkpoint.Save(filepath.Join(dir, "shares"), shares); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why  string
		args []string
		code int
		want string
	}{
		{"shares from a checkpoint", []string{"--checkpoint", "builtin"}, codeUsage, "--action capacity"},
		{"a checkpoint that there is not", []string{"--action", "capacity", "--checkpoint", filepath.Join(dir, "no")}, codeFailed, "no"},
		{"a checkpoint of the other action", []string{"--action", "capacity", "--checkpoint", filepath.Join(dir, "shares")}, codeUsage, "is of kind shares"},
		{"scenarios for shares", []string{"--scenarios", "laws"}, codeUsage, "--scenarios are for --action capacity"},
		{"scenarios and rewards", []string{"--action", "capacity", "--scenarios", "laws", "--algo", "cql"}, codeUsage, "--algo model alone"},
		{"scenarios that there are not", []string{"--action", "capacity", "--scenarios", "law"}, codeUsage, "did you mean"},
		{"shares by the model", []string{"--algo", "model"}, codeUsage, "algorithm"},
		{"a setting of the other action", []string{"--action", "capacity", "--set", "data.hot_keys=3"}, codeUsage, "hot_keys"},
	} {
		args := append([]string{"train-offline", "--out", out}, c.args...)
		if !slices.Contains(args, "--scenarios") {
			args = append(args, "--data", data)
		}
		code, stdout, narration := saspart(t, nil, args...)
		if code != c.code || stdout != "" || !strings.Contains(narration, c.want) {
			t.Errorf("%s: exit code %d, want %d with %q\n%s%s", c.why, code, c.code, c.want, stdout, narration)
		}
	}
}

// Package configs holds the experiments that are ready to run, built into the
// binary so that an installed one has them too.
package configs

import (
	"embed"
	"path"
	"slices"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// Names lists the ready experiments, sorted.
func Names() []string { return names(files, ".") }

func names(files embed.FS, dir string) []string {
	entries, err := files.ReadDir(dir)
	if err != nil {
		panic("configs: the built-in directory cannot be read: " + err.Error())
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), path.Ext(e.Name())))
	}
	slices.Sort(names)
	return names
}

// Read returns the text of a ready experiment; ok is false when there is none of
// that name.
func Read(name string) (text []byte, ok bool) {
	text, err := files.ReadFile(name + ".yaml")
	return text, err == nil
}

//go:embed train/*.yaml
var training embed.FS

// TrainNames lists the ready configurations of a training of shares from traces,
// sorted.
func TrainNames() []string {
	return slices.DeleteFunc(names(training, "train"), func(name string) bool { return isOnline(name) || isCapacity(name) })
}

// CapacityNames lists those of a training of capacities from traces, sorted.
func CapacityNames() []string {
	return slices.DeleteFunc(names(training, "train"), func(name string) bool { return isOnline(name) || !isCapacity(name) })
}

// OnlineNames lists the ready configurations of a training on a running job, sorted.
func OnlineNames() []string {
	return slices.DeleteFunc(names(training, "train"), func(name string) bool { return !isOnline(name) })
}

// isOnline and isCapacity tell them apart.
func isOnline(name string) bool   { return strings.Contains(name, "online") }
func isCapacity(name string) bool { return strings.Contains(name, "capacity") }

// ReadTrain returns the text of a ready training configuration; ok is false when
// there is none of that name.
func ReadTrain(name string) (text []byte, ok bool) {
	text, err := training.ReadFile("train/" + name + ".yaml")
	return text, err == nil
}

//go:embed matrix/*.yaml
var matrices embed.FS

// MatrixNames lists the ready matrices of experiments, sorted.
func MatrixNames() []string { return names(matrices, "matrix") }

// ReadMatrix returns the text of a ready matrix; ok is false when there is none of that
// name.
func ReadMatrix(name string) (text []byte, ok bool) {
	text, err := matrices.ReadFile("matrix/" + name + ".yaml")
	return text, err == nil
}

//go:embed scenarios/*.yaml
var populations embed.FS

// ScenarioNames lists the ready populations of scenarios, sorted.
func ScenarioNames() []string { return names(populations, "scenarios") }

// ReadScenarios returns the text of a ready population of scenarios; ok is false when there is
// none of that name.
func ReadScenarios(name string) (text []byte, ok bool) {
	text, err := populations.ReadFile("scenarios/" + name + ".yaml")
	return text, err == nil
}

package main

import (
	"context"
	"strings"

	"github.com/saspart/saspart/cmd/saspart/internal/progress"
	"github.com/saspart/saspart/config/strict"
	"github.com/saspart/saspart/configs"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/train/offline"
	"github.com/saspart/saspart/train/recording"
)

// prepareCapacity is prepareTraining for the capacity action.
func (a *app) prepareCapacity(c *trainConfig, opts trainOfflineOptions) (func(context.Context) (*offline.Training, int, error), error) {
	training, err := loadCapacityTraining(a, opts)
	if err != nil {
		return nil, err
	}
	c.Training = &training
	start, err := startOf(opts.checkpoint)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*offline.Training, int, error) {
		data, err := a.loadRecordings(ctx, c, &training)
		t := &offline.CapacityTraining{Config: training, Data: data, Start: start}
		return &offline.Training{Capacity: t}, training.Updates, err
	}, nil
}

// loadCapacityTraining resolves the configuration of a training of capacities.
func loadCapacityTraining(a *app, opts trainOfflineOptions) (offline.CapacityConfig, error) {
	c := offline.DefaultCapacity()
	file, text, err := findTraining(opts.config, configs.CapacityNames())
	if err != nil {
		return c, err
	}
	_, err = strict.Load(file, text, &c, strict.Layers{Env: a.env, Prefix: trainPrefix, Set: opts.overrides})
	return c, err
}

// startOf is the checkpoint that a training starts from; none: nil.
func startOf(name string) (*checkpoint.Checkpoint, error) {
	switch name {
	case "":
		return nil, nil
	case checkpoint.BuiltinName:
		return checkpoint.Builtin()
	}
	dir, err := checkpoint.Find(name)
	if err != nil {
		return nil, err
	}
	c, err := checkpoint.Load(dir)
	if err == nil && c.Kind != checkpoint.KindCapacity {
		return nil, usagef("checkpoint %s decides on %s; a training of capacities needs one of kind %s to start from, such as %s", name, c.Kind, checkpoint.KindCapacity, checkpoint.BuiltinName)
	}
	return c, err
}

// loadRecordings reads the traces.
func (a *app) loadRecordings(ctx context.Context, c *trainConfig, training *offline.CapacityConfig) (*recording.Data, error) {
	meter := progress.Start(a.err, a.now, progress.Config{Label: "read traces", Unit: "windows", Terminal: a.errTerminal})
	seen := int64(0)
	data, err := recording.Load(ctx, training.Data, c.Data, training.Least(), c.Seed, func(read int64) {
		meter.Add(read - seen)
		seen = read
	})
	meter.Stop()
	if err != nil {
		return nil, err
	}
	var workers []string
	for _, p := range data.Workers {
		workers = append(workers, plural(p, "worker"))
	}
	a.narrate("%s to learn from and %d held out, %s, of %s",
		plural(len(data.Train), "recording"), len(data.HeldOut), plural(int(data.Windows), "window"), strings.Join(workers, " and "))
	return data, nil
}

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/eval/study"
	"github.com/saspart/saspart/experiment"
)

// jobStudy is what the studies of a single experiment have in common.
type jobStudy struct {
	experiment experimentFlags
	contenders contenderFlags
	study      studyFlags
	engine     string
	repeat     int
}

// add adds the flags of s to cmd, verb saying what is done several times, and returns
// the engine asked for.
func (s *jobStudy) add(cmd *cobra.Command, verb string) *choice {
	s.experiment.add(cmd)
	s.contenders.add(cmd, "hash", "wchoices", "waterfill", "saspartitioner")
	cmd.Flags().IntVar(&s.repeat, "repeat", 1, verb+" this many `times`, with the experiment's seed and the following ones")
	engine := &choice{value: experiment.Sim, allowed: experiment.Engines()}
	choiceFlag(cmd, engine, "engine", "", "engine that runs the job")
	s.study.add(cmd, "keep results in this `folder`, for --resume and saspart report")
	return engine
}

// runJobStudy measures the contenders in a single cell, the experiment. cell has its kind
// and settings. loaded, if not nil, is called with the experiment.
func (a *app) runJobStudy(ctx context.Context, s *jobStudy, settings interface{ Validate() error }, cell study.Cell, loaded func(*config.Experiment)) error {
	if s.repeat < 1 {
		return usagef("--repeat is %d; it must be at least 1", s.repeat)
	}
	if err := settings.Validate(); err != nil {
		return err
	}
	contenders, err := s.contenders.parse()
	if err != nil {
		return err
	}
	e, _, err := s.experiment.load(a)
	if err != nil {
		return err
	}
	if loaded != nil {
		loaded(e)
	}
	if err := writable(s.study.out); err != nil {
		return err
	}
	cell.Name, cell.Engine = e.Name, s.engine
	cell.Base, cell.Set, cell.Env = s.experiment.config, s.experiment.overrides, a.env
	return a.runStudy(ctx, studied{
		label: string(cell.Kind), name: studyName(s.study.out, e.Name), about: e.Description,
		cells: []study.Cell{cell}, contenders: contenders, seeds: seedsFrom(e.Seed, s.repeat),
	}, &s.study)
}

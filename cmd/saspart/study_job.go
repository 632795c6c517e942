package main

import (
	"context"
	"path/filepath"

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

// add adds the flags of s to cmd, verb saying what is done several times.
func (s *jobStudy) add(cmd *cobra.Command, verb string) {
	s.experiment.add(cmd)
	s.contenders.add(cmd, "hash", "wchoices", "waterfill", "saspartitioner")
	cmd.Flags().IntVar(&s.repeat, "repeat", 1, verb+" this many `times`, with the experiment's seed and the following ones")
	engineFlag(cmd, &s.engine, experiment.Engines()...)
	s.study.add(cmd, "keep results in this `folder`, for --resume and saspart report")
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
	name := e.Name
	if s.study.out != "" {
		name = filepath.Base(s.study.out)
	}
	seeds := make([]uint64, s.repeat)
	for i := range seeds {
		seeds[i] = e.Seed + uint64(i)
	}
	return a.runStudy(ctx, studied{
		label: string(cell.Kind), name: name, about: e.Description,
		cells: []study.Cell{cell}, contenders: contenders, seeds: seeds,
	}, &s.study)
}

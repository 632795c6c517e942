package main

import (
	"context"
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/saspart/saspart/configs"
	"github.com/saspart/saspart/eval/study"
)

type matrixOptions struct {
	file     string
	settings experimentFlags // of the matrix
	study    studyFlags
}

func (a *app) matrixCommand() *cobra.Command {
	var opts matrixOptions
	cmd := &cobra.Command{
		Use:   "matrix",
		Short: "Measure partitioners over a whole matrix of experiments",
		Long: `Measures every partitioner of a matrix on every cell of its grids, with every seed. Names
the best of each cell and its margin, and no winner within the noise. Every measurement
is kept in the run's folder as it is made. A measurement that fails becomes a row with
the error, and the others continue. --resume continues a study that was interrupted or
killed, with the flags that it was begun with, and repeats failed measurements. It may have other
partitioners and seeds (--set).

A matrix file names partitioners, seeds and grids. A grid is an experiment, settings in
the form of --set, and axes whose values are settings too. There are ready ones: smoke
takes two minutes, paper half an hour on two processors.`,
		Example: `  saspart matrix --file smoke --out runs/smoke
  saspart matrix --out runs/paper --resume
  saspart matrix --file paper --out runs/quick --set 'seeds=[1]' --require 'waterfill/bound>=0.9'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runMatrix(cmd.Context(), opts) },
	}
	cmd.Flags().StringVarP(&opts.file, "file", "f", "", "matrix `file`, or the name of a ready one")
	complete(cmd, "file", configs.MatrixNames())
	cmd.Flags().Var(&setFlag{&opts.settings}, "set", "set a value of the matrix, for example engine=local (repeatable)")
	opts.study.add(cmd, "`folder` of the results, for example runs/smoke")
	require(cmd, "file", "out")
	a.resumable(cmd, study.InfoFile, append(studyBudget, "set partitioners", "set seeds")...)
	return cmd
}

func (a *app) runMatrix(ctx context.Context, opts matrixOptions) error {
	m, err := study.LoadMatrix(opts.file, opts.settings.overrides)
	if errors.Is(err, fs.ErrNotExist) {
		return asUsage(err)
	}
	if err != nil {
		return err
	}
	cells, err := m.Cells()
	if err != nil {
		return err
	}
	contenders, err := study.ParseContenders(m.Partitioners, m.Checkpoint)
	if err != nil {
		return asUsage(err)
	}
	if err := writable(opts.study.out); err != nil {
		return err
	}
	return a.runStudy(ctx, studied{
		label: "matrix", name: m.Name, about: m.Description, cells: cells, contenders: contenders, seeds: m.Seeds, matrix: m,
	}, &opts.study)
}

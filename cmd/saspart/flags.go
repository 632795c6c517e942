package main

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/config/nearest"
	"github.com/saspart/saspart/config/strict"
	"github.com/saspart/saspart/configs"
	"github.com/saspart/saspart/eval/rate"
	"github.com/saspart/saspart/stream"
)

// choice is the value of a flag that takes one of several words.
type choice struct {
	value   *string
	allowed []string
}

// String implements pflag.Value.
func (c *choice) String() string { return *c.value }

// Type implements pflag.Value: what help shows behind the flag.
func (c *choice) Type() string { return strings.Join(c.allowed, "|") }

// Set implements pflag.Value.
func (c *choice) Set(s string) error {
	if !slices.Contains(c.allowed, s) {
		return errors.New(nearest.Explain(s, c.allowed))
	}
	*c.value = s
	return nil
}

// outputFlag adds -o; the first of the formats is the default.
func outputFlag(cmd *cobra.Command, value *string, formats ...string) {
	*value = formats[0]
	choiceFlag(cmd, value, "output", "o", "how to print the result", formats...)
}

// engineFlag adds --engine; the first of the engines is the default.
func engineFlag(cmd *cobra.Command, value *string, engines ...string) {
	*value = engines[0]
	choiceFlag(cmd, value, "engine", "", "engine that runs the job", engines...)
}

// choiceFlag adds a flag with its completions. Its default is the value that is there.
func choiceFlag(cmd *cobra.Command, value *string, name, short, usage string, allowed ...string) {
	cmd.Flags().VarP(&choice{value, allowed}, name, short, usage)
	complete(cmd, name, allowed)
}

// require makes flags required.
func require(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic("flag --" + name + ": " + err.Error()) // it does not exist: a mistake in this package
		}
	}
}

func complete(cmd *cobra.Command, flag string, words []string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveDefault)); err != nil {
		panic("completions of --" + flag + ": " + err.Error()) // the flag does not exist: a mistake in this package
	}
}

// experimentFlags are the flags of every command that runs an experiment: which
// one, and what to set in it.
type experimentFlags struct {
	config    string
	overrides []strict.Override
	input     bool    // the records are those of a file that was named
	part      float64 // of the fluid bound, which the rate is set to; 0: the rate as it is
}

// add adds --config, --seed and --set.
func (f *experimentFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.config, "config", "c", "", "experiment `file`, or the name of a ready one (saspart config list)")
	complete(cmd, "config", configs.Names())
	f.short(cmd, "seed", "seed", "N", "seed of all randomness")
	cmd.Flags().Var(&inputFlag{f: f}, "input", "read the records from this CSV, JSON Lines, Arrow or Parquet `file`; without --config the job counts them by key, at 0.5 ms each")
	f.short(cmd, "key", "source.file.key", "column", "column of the input with the key")
	cmd.Flags().Var(&payloadFlag{f: f}, "payload", "`columns` of the input that the task reads, separated by commas")
	f.short(cmd, "task", "task.name", "name", "what is computed for each key: count, wordcount or tdigest")
	complete(cmd, "task", stream.TaskNames())
	cmd.Flags().Var(&setFlag{f}, "set", "set a value of the experiment, for example job.workers=16 (repeatable)")
}

// policies adds --checkpoint and --pool, which select the policy of saspartitioner.
func (f *experimentFlags) policies(cmd *cobra.Command) {
	f.short(cmd, "checkpoint", "partitioner.saspartitioner.checkpoint", "folder", "checkpoint or training run that saspartitioner follows")
	f.short(cmd, "pool", "partitioner.saspartitioner.pool", "folder", "checkpoints and training runs; saspartitioner follows the policy trained on the keys most similar to the job's")
	cmd.MarkFlagsMutuallyExclusive("checkpoint", "pool")
}

// override sets the value at path.
func (f *experimentFlags) override(path, value, from string) {
	f.overrides = append(f.overrides, strict.Override{Path: path, Value: value, From: from})
}

// short adds a flag that sets the value at path of the experiment, as --set does.
func (f *experimentFlags) short(cmd *cobra.Command, name, path, metavar, usage string) {
	cmd.Flags().Var(&pathFlag{f: f, name: name, path: path, metavar: metavar}, name, usage)
}

// load resolves the experiment.
func (f *experimentFlags) load(a *app) (*config.Experiment, *strict.Origins, error) {
	if f.input && f.config == "" {
		f.fallback("task.name", stream.TaskCount, "the default with --input")
		f.fallback("job.costs.record", "500us", "the default with --input")
	}
	e, origins, err := config.Load(f.config, a.env, f.overrides)
	if err == nil && f.part != 0 {
		if err = field.In("--load", field.Finite("", f.part, 0, 10)); err == nil {
			err = rate.Offer(e, f.part)
		}
	}
	return e, origins, err
}

// fallback sets the value at path unless a flag does.
func (f *experimentFlags) fallback(path, value, from string) {
	if !slices.ContainsFunc(f.overrides, func(o strict.Override) bool { return o.Path == path }) {
		f.override(path, value, from)
	}
}

// loads adds --load.
func (f *experimentFlags) loads(cmd *cobra.Command) {
	cmd.Flags().Float64Var(&f.part, "load", 0, "set the rate to this `part` of what the workers can do (the fluid bound); 0: the experiment's rate")
}

// inputFlag makes a file the source of an experiment.
type inputFlag struct {
	f    *experimentFlags
	path string
}

func (i *inputFlag) String() string { return i.path }
func (i *inputFlag) Type() string   { return "file" }
func (i *inputFlag) Set(path string) error {
	i.path, i.f.input = path, true
	i.f.override("source.kind", stream.KindFile, "--input "+path)
	i.f.override("source.file.path", path, "--input "+path)
	return nil
}

// payloadFlag sets the columns of a file's payload.
type payloadFlag struct {
	f       *experimentFlags
	columns string
}

func (p *payloadFlag) String() string { return p.columns }
func (p *payloadFlag) Type() string   { return "columns" }
func (p *payloadFlag) Set(columns string) error {
	p.columns = columns
	text, err := json.Marshal(strings.Split(columns, ",")) // which is YAML too
	if err != nil {
		return err
	}
	p.f.override("source.file.payload", string(text), "--payload "+columns)
	return nil
}

// setFlag collects --set path=value.
type setFlag struct{ f *experimentFlags }

func (s *setFlag) String() string { return "" }
func (s *setFlag) Type() string   { return "path=value" }
func (s *setFlag) Set(text string) error {
	path, value, ok := strings.Cut(text, "=")
	if !ok || path == "" {
		return errors.New("write it as path=value, for example job.workers=16")
	}
	s.f.override(path, value, "--set "+text)
	return nil
}

// pathFlag is a flag of its own for a value of the experiment. The experiment's
// loader checks the value, like every other.
type pathFlag struct {
	f                          *experimentFlags
	name, path, metavar, value string
}

func (p *pathFlag) String() string { return p.value }
func (p *pathFlag) Type() string   { return p.metavar }
func (p *pathFlag) Set(text string) error {
	p.value = text
	p.f.override(p.path, text, "--"+p.name+" "+text)
	return nil
}

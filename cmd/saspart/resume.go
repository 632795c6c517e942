package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/saspart/saspart/internal/files"
	"github.com/saspart/saspart/runlog"
)

// resumable has --resume take the flags that --out was begun with, or resumed with last. Flags that
// are given again must be the same, except for those named: they change how much is done, and
// nothing that was measured or learned before. Each path of --set counts as a flag of its own,
// "set path". file is the file of the folder that has its command line. The command line of both
// together replaces app.args, and so is what the folder records next.
func (a *app) resumable(cmd *cobra.Command, file string, free ...string) {
	unkept := []string{"out", "resume", "output", "require"} // how it is shown and judged this time
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		flags := cmd.Flags()
		if !flags.Lookup("resume").Changed {
			return nil
		}
		out := flags.Lookup("out").Value.String()
		command, err := commandOf(filepath.Join(out, file))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was interrupted before it began, or there is no such folder
		}
		if err != nil {
			return err
		}
		before, err := given(flags, command)
		if err != nil || len(command) < 2 || command[1] != cmd.Name() {
			return usagef("--resume: %s was begun by %q, which is not this command", out, strings.Join(command, " "))
		}
		now, err := given(flags, a.args)
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(now)) {
			values, was := now[name], before[name]
			if slices.Contains(unkept, name) || slices.Equal(values, was) {
				continue
			}
			if f := flags.Lookup(name); was == nil && f != nil {
				was = []string{f.DefValue}
			}
			if !slices.Contains(free, name) && !slices.Equal(values, was) {
				return usagef("--%s is %s, but %s was begun with %s: leave the flag out, or name another --out", name, listed(values), out, listed(was))
			}
			a.narrate("--%s is %s; it was %s before", name, listed(values), listed(was))
		}
		for name, values := range before {
			if _, again := now[name]; again || slices.Contains(unkept, name) {
				continue
			}
			now[name] = values
			for _, v := range values {
				flag := name
				if path, ok := strings.CutPrefix(name, ofSet); ok {
					flag, v = "set", path+"="+v
				}
				if err := flags.Set(flag, v); err != nil {
					return usagef("--resume: %s was begun with --%s %s: %w", out, name, v, err)
				}
			}
		}
		delete(now, "resume")
		a.args = a.args[:2:2]
		for _, name := range slices.Sorted(maps.Keys(now)) {
			for _, v := range now[name] {
				a.args = append(a.args, "--"+strings.Replace(name, " ", "=", 1)+"="+v)
			}
		}
		return nil
	}
}

// ofSet is what the names of paths of --set begin with, where they count as flags.
const ofSet = "set "

// listed are the values of a flag in a message.
func listed(values []string) string {
	if text := strings.Join(values, " and "); text != "" {
		return text
	}
	return "not set"
}

// commandOf reads the command line that a folder was begun with, or resumed with last.
func commandOf(file string) ([]string, error) {
	text, err := files.Read(file, files.Text)
	if err != nil {
		return nil, err
	}
	var info struct {
		Command []string
		Resumed []yaml.Node // of a study they are times
	}
	if err := yaml.Unmarshal(text, &info); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, node := range info.Resumed {
		var r runlog.Resumed
		if node.Kind == yaml.MappingNode && node.Decode(&r) == nil && len(r.Command) > 0 {
			info.Command = r.Command
		}
	}
	return info.Command, nil
}

// given returns the values of each flag on a command line, which has the program's and the
// command's name before them.
func given(flags *pflag.FlagSet, command []string) (map[string][]string, error) {
	values := map[string][]string{}
	err := flags.ParseAll(command[min(2, len(command)):], func(f *pflag.Flag, value string) error {
		name := f.Name
		if path, v, ok := strings.Cut(value, "="); name == "set" && ok {
			name, value = ofSet+path, v
		}
		values[name] = append(values[name], value)
		return nil
	})
	return values, err
}

// budgets are the settings of a training that may change when it is resumed.
var budgets = []string{"updates", "windows", "time", "target_imbalance", "patience", "parallel", "threads"}

// sameConfiguration returns an error if the configuration of a run is another than the given one,
// which its files or the environment may have made so.
func sameConfiguration(dir string, text []byte) error {
	path := filepath.Join(dir, runlog.ConfigFile)
	old, err := files.Read(path, files.Text)
	if err != nil {
		return err
	}
	var before, now any
	if err := errors.Join(yaml.Unmarshal(old, &before), yaml.Unmarshal(text, &now)); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if at := changed("", before, now); at != "" {
		return usagef("--resume: %s is not what it is in %s: the files or the environment that it came from have changed; set it as it was, or name another --out", at, path)
	}
	return nil
}

// changed returns the path of a setting that differs; "" if none does. What an earlier version of
// the program did not know is not in before, and may be anything.
func changed(path string, before, now any) string {
	b, isMap := before.(map[string]any)
	n, both := now.(map[string]any)
	if !isMap || !both {
		if reflect.DeepEqual(before, now) {
			return ""
		}
		return path
	}
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if slices.Contains(budgets, name) {
			continue
		}
		v, ok := n[name]
		if !ok {
			continue
		}
		if at := changed(strings.TrimPrefix(path+"."+name, "."), b[name], v); at != "" {
			return at
		}
	}
	return ""
}

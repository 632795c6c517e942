package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/config/nearest"
	"github.com/saspart/saspart/config/strict"
)

// Exit codes.
const (
	codeOK          = 0
	codeFailed      = 1
	codeUsage       = 2 // wrong usage or configuration
	codeInterrupted = 3
	codeThreshold   = 4 // a required threshold was not met
)

// usageError is a command line that cannot be meant.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// asUsage marks an error, if there is one, as one of the command line.
func asUsage(err error) error {
	if err == nil || errors.As(err, new(*usageError)) {
		return err
	}
	return &usageError{err}
}

// thresholdError is a measurement that ran to its end and did not reach what the
// user required of it.
type thresholdError struct{ err error }

func (e *thresholdError) Error() string { return e.err.Error() }
func (e *thresholdError) Unwrap() error { return e.err }

// exitCode is the one place where errors become exit codes.
func exitCode(err error) int {
	switch {
	case err == nil:
		return codeOK
	case errors.As(err, new(*thresholdError)):
		return codeThreshold
	case errors.Is(err, context.Canceled):
		return codeInterrupted
	case errors.As(err, new(*usageError)), errors.As(err, new(*field.Error)), strict.IsInvalid(err):
		return codeUsage
	}
	return codeFailed
}

// report tells the user about err. What is wrong with a configuration starts with
// the file and line, for editors to jump to.
func (a *app) report(cmd *cobra.Command, err error) {
	switch {
	case err == nil:
	case strict.IsInvalid(err):
		a.narrate("%v", err)
	case errors.As(err, new(*usageError)):
		a.narrate("saspart: %v", err)
		a.narrate("see: %s --help", cmd.CommandPath())
	case errors.Is(err, context.Canceled):
		a.narrate("saspart: %s", strings.TrimSuffix(err.Error(), ": "+context.Canceled.Error()))
	default:
		a.narrate("saspart: %v", err)
	}
}

// group makes cmd a command that only has subcommands: without one it shows its
// help, with an unknown one it offers the nearest.
func group(cmd *cobra.Command) {
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		var known []string
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				known = append(known, c.Name())
			}
		}
		return usagef("there is no command %q; %s", cmd.CommandPath()+" "+args[0], nearest.Explain(args[0], known))
	}
	cmd.RunE = func(*cobra.Command, []string) error { return cmd.Help() }
}

// flagError offers the nearest flag for an unknown one.
func flagError(cmd *cobra.Command, err error) error {
	var missing *pflag.NotExistError
	if !errors.As(err, &missing) || len(missing.GetSpecifiedName()) < 2 {
		return &usageError{err}
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			known = append(known, f.Name)
		}
	})
	near := nearest.Nearest(missing.GetSpecifiedName(), known)
	if near == "" {
		return &usageError{err}
	}
	return usagef("%w; did you mean --%s?", err, near)
}

// noArgs refuses arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments, but got %q", cmd.CommandPath(), args[0])
	}
	return nil
}

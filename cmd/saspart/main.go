// Command saspart learns how to partition skewed keyed streams, and measures what
// that buys. Its subcommands are one file each: flags into an options struct, and
// a run function over it that tests call.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	a := &app{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Environ(), now: time.Now,
		terminal: term.IsTerminal(int(os.Stdout.Fd())), errTerminal: term.IsTerminal(int(os.Stderr.Fd())),
	}
	if a.terminal {
		a.width, _, _ = term.GetSize(int(os.Stdout.Fd())) // one that does not say is taken as wide
	}
	if self, err := os.Executable(); err == nil {
		a.self = []string{self}
	}
	go a.interrupts(signals, cancel, os.Exit)
	os.Exit(a.execute(ctx, os.Args[1:]))
}

// interrupts cancels the running command at the first signal, so that it ends its
// step and saves, and leaves the process at the second.
func (a *app) interrupts(signals <-chan os.Signal, cancel context.CancelFunc, exit func(int)) {
	<-signals
	fmt.Fprintln(a.err, "\nsaspart: interrupted; ending the step and saving (interrupt again to leave at once)")
	cancel()
	<-signals
	exit(codeInterrupted)
}

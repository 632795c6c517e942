package flink

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/saspart/saspart/engine/flink/cluster"
	"github.com/saspart/saspart/engine/flink/rest"
)

// guard is a process that outlives this one if this one is killed. It then cancels the jobs
// that it watches.
type guard struct {
	mu    sync.Mutex
	cmd   *exec.Cmd
	tells io.WriteCloser
	jobs  map[string]bool // watched
}

// Messages to a guard: one a line, each followed by a job's ID.
const (
	watchJob  = "+"
	forgetJob = "-"
)

func startGuard(command []string) (*guard, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.SysProcAttr = cluster.Apart()
	tells, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start the guard of the jobs: %w", err)
	}
	return &guard{cmd: cmd, tells: tells, jobs: map[string]bool{}}, nil
}

// tell makes the guard watch or forget a job, which need not exist yet.
func (g *guard) tell(what, job string) error {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if what == watchJob {
		g.jobs[job] = true
	} else {
		delete(g.jobs, job)
	}
	_, err := io.WriteString(g.tells, what+job+"\n")
	return err
}

// close ends the guard. If it has jobs to cancel, because this process could not, it stays
// until that is done.
func (g *guard) close() error {
	if err := g.tells.Close(); err != nil || len(g.jobs) > 0 {
		return errors.Join(err, g.cmd.Process.Release())
	}
	return g.cmd.Wait()
}

// Limits of a guard: how long it tries to cancel a job, and how long it waits for a job that
// the cluster does not know yet.
const (
	guardPatience = 2 * time.Minute
	guardUnknown  = 15 * time.Second
)

// RunGuard reads messages from in until in ends, as it does when the process at its other end
// dies. Then it cancels the jobs that it still watches.
func RunGuard(in io.Reader, address string) error {
	jobs := map[string]bool{}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if job, ok := strings.CutPrefix(lines.Text(), watchJob); ok {
			jobs[job] = true
		} else if job, ok := strings.CutPrefix(lines.Text(), forgetJob); ok {
			delete(jobs, job)
		}
	}
	client := rest.New(address)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), guardPatience)
	defer cancel()
	var errs []error
	for job := range jobs {
		errs = append(errs, cancelJob(ctx, client, job, guardUnknown))
	}
	return errors.Join(errs...)
}

// cancelJob cancels a job and waits until it has ended. A job that the cluster does not know
// may have just been submitted; cancelJob waits for it for a while.
func cancelJob(ctx context.Context, client *rest.Client, job string, unknown time.Duration) error {
	came, stop := context.WithTimeout(ctx, unknown)
	defer stop()
	for {
		s, err := client.State(ctx, job)
		if err == nil && s.Over() {
			return nil
		}
		if err == nil {
			err = client.Cancel(ctx, job)
		}
		if err == nil {
			_, err = client.Ended(ctx, job)
			return err
		}
		wait := ctx
		if rest.Gone(err) {
			wait = came
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-wait.Done():
			if rest.Gone(err) {
				return nil
			}
			return fmt.Errorf("job %s: %w", job, err)
		}
	}
}

package rest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// State is a job's state as Flink names it.
type State string

// States that a client distinguishes.
const (
	Running  State = "RUNNING"
	Finished State = "FINISHED"
	Failed   State = "FAILED"
	Canceled State = "CANCELED"
)

// Over reports whether a job in the state has ended and will not restart.
func (s State) Over() bool { return s == Finished || s == Failed || s == Canceled || s == "SUSPENDED" }

// Job is the state of a job and of its subtasks.
type Job struct {
	Name     string
	State    State
	Tasks    int // subtasks
	Running  int // subtasks that run
	Finished int
}

// Job asks for the state of a job and of its subtasks.
func (c *Client) Job(ctx context.Context, job string) (Job, error) {
	var answer struct {
		Name     string
		State    State
		Vertices []struct {
			Parallelism int
			Tasks       map[string]int
		}
	}
	if err := c.get(ctx, "/jobs/"+job, &answer); err != nil {
		return Job{}, err
	}
	out := Job{Name: answer.Name, State: answer.State}
	for _, v := range answer.Vertices {
		out.Tasks += v.Parallelism
		out.Running += v.Tasks["RUNNING"]
		out.Finished += v.Tasks["FINISHED"]
	}
	return out, nil
}

// State asks for the state of a job alone, which is a small answer.
func (c *Client) State(ctx context.Context, job string) (State, error) {
	var answer struct{ Status State }
	err := c.get(ctx, "/jobs/"+job+"/status", &answer)
	return answer.Status, err
}

// Cause returns why a job failed or last failed: the innermost cause that Flink knows, "" if
// there is none.
func (c *Client) Cause(ctx context.Context, job string) (string, error) {
	var answer struct {
		Root    string `json:"root-exception"`
		History struct {
			Entries []struct {
				Stacktrace string
				TaskName   string
			}
		} `json:"exceptionHistory"`
	}
	if err := c.get(ctx, "/jobs/"+job+"/exceptions", &answer); err != nil {
		return "", err
	}
	for _, e := range answer.History.Entries {
		if cause := RootCause(e.Stacktrace); cause != "" && e.TaskName != "" {
			return cause + " (in " + e.TaskName + ")", nil
		} else if cause != "" {
			return cause, nil
		}
	}
	return RootCause(answer.Root), nil
}

// RootCause returns the innermost cause in a Java stack trace, on one line, its class without
// the package.
func RootCause(trace string) string {
	cause, told := "", false // told: its frames have begun
	for _, line := range strings.Split(trace, "\n") {
		line = strings.TrimSpace(line)
		inner, isCause := strings.CutPrefix(line, "Caused by: ")
		switch {
		case isCause:
			cause, told = inner, false
		case strings.HasPrefix(line, "at "), strings.HasPrefix(line, "... "):
			told = true
		case line == "" || told:
		case cause == "":
			cause = line
		default:
			cause += "; " + line
		}
	}
	class, text, _ := strings.Cut(cause, ": ")
	if at := strings.LastIndexAny(class, ".$"); at >= 0 && !strings.ContainsAny(class, " \t") {
		class = class[at+1:]
	}
	if text == "" {
		return class
	}
	return class + ": " + text
}

// Cancel ends a job at once.
func (c *Client) Cancel(ctx context.Context, job string) error {
	return c.do(ctx, quick, http.MethodPatch, "/jobs/"+job+"?mode=cancel", "", nil, nil)
}

// Ended waits until a job has ended.
func (c *Client) Ended(ctx context.Context, job string) (State, error) {
	for {
		s, err := c.State(ctx, job)
		if err != nil || s.Over() {
			return s, err
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return s, fmt.Errorf("job %s is still %s: %w", job, s, err)
		}
	}
}

// Stop ends a job with a savepoint in a folder, "" for the cluster's, and returns the path of
// the savepoint.
func (c *Client) Stop(ctx context.Context, job, folder string) (savepoint string, err error) {
	ask := map[string]any{"drain": false}
	if folder != "" {
		ask["targetDirectory"] = folder
	}
	var trigger struct {
		ID string `json:"request-id"`
	}
	if err := c.post(ctx, quick, "/jobs/"+job+"/stop", ask, &trigger); err != nil {
		return "", err
	}
	for {
		var answer struct {
			Status    struct{ ID string }
			Operation struct {
				Location string
				Failure  struct {
					Trace string `json:"stack-trace"`
				} `json:"failure-cause"`
			}
		}
		if err := c.get(ctx, "/jobs/"+job+"/savepoints/"+trigger.ID, &answer); err != nil {
			return "", err
		}
		switch {
		case answer.Operation.Location != "":
			return answer.Operation.Location, nil
		case answer.Status.ID == "COMPLETED":
			return "", fmt.Errorf("making a savepoint failed: %s", RootCause(answer.Operation.Failure.Trace))
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return "", fmt.Errorf("wait for the savepoint: %w", err)
		}
	}
}

// pause waits a little, or until ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

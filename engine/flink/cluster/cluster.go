// Package cluster runs a standalone cluster of unmodified Apache Flink on this machine, for
// users who have none. The JobManager and each TaskManager run in their own JVM, from the
// artifacts on Maven Central. The cluster listens on loopback only.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/engine/flink/rest"
)

// Config describes a cluster.
type Config struct {
	Dir          string // for logs, checkpoints and the state
	Port         int    // of the REST interface; 0: any that is free
	TaskManagers int
	TaskSlots    int // of each TaskManager; a job needs one for each worker
	Heap         int // MiB for the Flink tasks of each TaskManager
	Patience     time.Duration
}

// Default has two TaskManagers, for up to 32 workers.
func Default() Config {
	return Config{Dir: defaultDir(), Port: 8081, TaskManagers: 2, TaskSlots: 16, Heap: 512, Patience: 2 * time.Minute}
}

// defaultDir is in the user's cache; "" if there is none.
func defaultDir() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(cache, "saspart", "flink")
}

// Validate reports every impossible value by its path.
func (c *Config) Validate() error {
	return errors.Join(
		field.Whole("port", c.Port, 0, 65535),
		field.Whole("taskmanagers", c.TaskManagers, 1, 64),
		field.Whole("slots", c.TaskSlots, 1, 1<<10),
		field.Whole("heap", c.Heap, 64, 1<<20),
		field.Check(c.Dir != "", "dir", "is empty; name a folder for the cluster's files"),
		field.Lasting("wait", c.Patience),
	)
}

// Status is the state of a cluster.
type Status struct {
	Running      bool   `json:"running"` // every process runs, and the JobManager answers
	Address      string `json:"address,omitempty"`
	Version      string `json:"version,omitempty"`
	JobManager   int    `json:"jobmanager,omitempty"`   // process ID; 0: not running
	TaskManagers []int  `json:"taskmanagers,omitempty"` // process IDs of those that run
	Wanted       int    `json:"wanted,omitempty"`       // TaskManagers
	Registered   int    `json:"registered"`             // TaskManagers, at the JobManager
	TaskSlots    int    `json:"slots"`
	Free         int    `json:"free"` // task slots
	Jobs         int    `json:"jobs"` // that run
	Logs         string `json:"logs,omitempty"`
}

// Names of processes; a number is appended to that of a TaskManager.
const (
	jobManager  = "jobmanager"
	taskManager = "taskmanager-"
)

// Cluster is the cluster of a folder, running or not.
type Cluster struct {
	config Config
	log    io.Writer // of progress
}

// New returns the cluster of a folder. config must be valid; progress is written to log.
func New(config Config, log io.Writer) (*Cluster, error) {
	dir, err := filepath.Abs(config.Dir) // processes have another working directory
	if err != nil {
		return nil, err
	}
	config.Dir = dir
	return &Cluster{config, log}, nil
}

func (c *Cluster) path(names ...string) string {
	return filepath.Join(append([]string{c.config.Dir}, names...)...)
}

func (c *Cluster) say(format string, args ...any) { fmt.Fprintf(c.log, format+"\n", args...) }

// Up starts the processes that are missing and returns when every TaskManager has registered.
// Processes that run are left alone. If the cluster does not come up, Up ends the processes
// that it has started.
func (c *Cluster) Up(ctx context.Context) (Status, error) {
	if err := os.MkdirAll(c.config.Dir, 0o755); err != nil {
		return Status{}, err
	}
	unlock, err := lock(c.path("lock"))
	if err != nil {
		return Status{}, err
	}
	defer unlock()
	java, err := findJava()
	if err != nil {
		return Status{}, err
	}
	jars, err := c.ClassPath(ctx)
	if err != nil {
		return Status{}, err
	}
	s, err := c.read()
	if err != nil {
		return Status{}, err
	}
	if s.process(jobManager) == nil {
		// TaskManagers would look for a JobManager that has died at its old address.
		if err := c.end(s); err != nil {
			return Status{}, err
		}
		if s, err = c.fresh(); err != nil {
			return Status{}, err
		}
	}
	var started []*process
	start := func(name string, jvm []string, args func(mark string) []string) error {
		if s.process(name) != nil {
			return nil
		}
		mark := newMark(name)
		p, err := c.start(name, mark, java, jars, jvm, args(mark))
		if err != nil {
			return err
		}
		started = append(started, p)
		s.Processes = append(s.Processes, *p)
		return c.write(s)
	}
	err = start(jobManager, jobManagerJVM(), jobManagerArgs)
	client := rest.New(s.Address)
	defer client.Close()
	if err == nil {
		err = c.await(ctx, s, func() bool {
			_, err := client.Overview(ctx)
			return err == nil
		})
	}
	for i := 0; i < s.TaskManagers && err == nil; i++ {
		err = start(taskManager+strconv.Itoa(i+1), taskManagerJVM(s.Heap), taskManagerArgs)
	}
	if err == nil {
		err = c.await(ctx, s, func() bool {
			ids, err := client.TaskManagers(ctx)
			if err != nil || len(ids) != s.TaskManagers || s.registered(ids) != s.TaskManagers {
				return false
			}
			o, err := client.Overview(ctx)
			return err == nil && o.TaskSlots >= s.TaskManagers*s.TaskSlots
		})
	}
	if err != nil {
		for _, p := range started {
			err = errors.Join(err, p.end())
		}
		return Status{}, err
	}
	return c.Status(ctx)
}

// fresh describes a cluster to be started, and writes its configuration.
func (c *Cluster) fresh() (*state, error) {
	port, err := freePort(c.config.Port)
	if err != nil {
		return nil, fmt.Errorf("port %d is not free; name another with --port, or 0 for any: %w", c.config.Port, err)
	}
	rpc, err := freePort(0)
	if err != nil {
		return nil, err
	}
	s := &state{
		Address: "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Version: version(),
		TaskManagers: c.config.TaskManagers, TaskSlots: c.config.TaskSlots, Heap: c.config.Heap,
	}
	for _, dir := range []string{"conf", "log", "tmp", "checkpoints", "savepoints"} {
		if err := os.MkdirAll(c.path(dir), 0o755); err != nil {
			return nil, err
		}
	}
	for name, text := range map[string]string{"config.yaml": c.settings(s, port, rpc), "log4j2.properties": logging} {
		if err := os.WriteFile(c.path("conf", name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return s, c.write(s)
}

// Ports to choose from. They are below those that systems give to connections, any of which
// might be taken before a JVM listens.
const firstPort, lastPort = 20_000, 32_000

// freePort returns the port if it is free; for 0, some free port.
func freePort(port int) (int, error) {
	for try := 0; ; try++ {
		p := port
		if p == 0 {
			p = firstPort + rand.IntN(lastPort-firstPort)
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err == nil {
			return p, l.Close()
		}
		if port != 0 || try == 100 {
			return 0, err
		}
	}
}

// await waits until a condition holds, while all processes are alive.
func (c *Cluster) await(ctx context.Context, s *state, holds func() bool) error {
	ticks := time.NewTicker(200 * time.Millisecond)
	defer ticks.Stop()
	late := time.NewTimer(c.config.Patience)
	defer late.Stop()
	for !holds() {
		for i := range s.Processes {
			if p := &s.Processes[i]; !p.alive() {
				return fmt.Errorf("the %s has ended; the end of %s:\n%s", p.Name, c.logOf(p.Name), tail(c.logOf(p.Name)))
			}
		}
		select {
		case <-ticks.C:
		case <-late.C:
			return fmt.Errorf("the cluster did not come up in %v; its logs are in %s", c.config.Patience, c.path("log"))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Down ends the cluster's processes and no others.
func (c *Cluster) Down() (ended int, err error) {
	if _, err := os.Stat(c.config.Dir); errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	unlock, err := lock(c.path("lock"))
	if err != nil {
		return 0, err
	}
	defer unlock()
	s, err := c.read()
	if err != nil {
		return 0, err
	}
	ended = len(s.Processes)
	return ended, c.end(s)
}

// end ends all processes, the JobManager last, and removes the state.
func (c *Cluster) end(s *state) error {
	var errs []error
	for i := len(s.Processes) - 1; i >= 0; i-- {
		errs = append(errs, s.Processes[i].end())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := os.Remove(c.path(stateFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Status reports which parts of the cluster run.
func (c *Cluster) Status(ctx context.Context) (Status, error) {
	s, err := c.read()
	if err != nil || len(s.Processes) == 0 {
		return Status{}, err
	}
	out := Status{Address: s.Address, Version: s.Version, Wanted: s.TaskManagers, Logs: c.path("log")}
	for i := range s.Processes {
		if p := &s.Processes[i]; p.Name == jobManager {
			out.JobManager = p.ID
		} else {
			out.TaskManagers = append(out.TaskManagers, p.ID)
		}
	}
	client := rest.New(s.Address)
	defer client.Close()
	if o, err := client.Overview(ctx); err == nil {
		out.TaskSlots, out.Free, out.Jobs = o.TaskSlots, o.Free, o.Running
	}
	if ids, err := client.TaskManagers(ctx); err == nil {
		out.Registered = s.registered(ids)
	}
	out.Running = out.JobManager != 0 && out.Registered == s.TaskManagers
	return out, nil
}

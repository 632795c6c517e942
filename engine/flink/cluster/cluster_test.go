package cluster

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

func newCluster(t *testing.T) *Cluster {
	t.Helper()
	config := Default()
	config.Dir = t.TempDir()
	c, err := New(config, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sleeper is a process that does nothing; its mark tells it from others.
func sleeper(t *testing.T, mark string) (*exec.Cmd, process) {
	t.Helper()
	cmd := exec.Command("sleep", mark)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reaped := make(chan struct{})
	go func() {
		defer close(reaped)
		_ = cmd.Wait() // it is killed
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-reaped
	})
	return cmd, process{Name: taskManager + "1", ID: cmd.Process.Pid, Mark: mark}
}

// Down ends what the cluster has started and nothing else: an ID may belong to another
// process by then.
func TestOnlyWhatWasStartedIsEnded(t *testing.T) {
	c := newCluster(t)
	_, ours := sleeper(t, "61.0625")
	_, others := sleeper(t, "62.0625")
	others.Mark = "taskmanager-2-of-long-ago"
	if err := c.write(&state{Address: "http://127.0.0.1:1", Version: version(), TaskManagers: 2, Processes: []process{ours, others}}); err != nil {
		t.Fatal(err)
	}
	s, err := c.read()
	if err != nil || len(s.Processes) != 1 || s.process(ours.Name) == nil {
		t.Fatalf("alive are %v, %v", s, err)
	}
	status, err := c.Status(context.Background())
	if err != nil || status.Running || len(status.TaskManagers) != 1 || status.TaskManagers[0] != ours.ID || status.Wanted != 2 {
		t.Errorf("%+v, %v", status, err)
	}
	if ended, err := c.Down(); err != nil || ended != 1 {
		t.Errorf("%d processes are ended, %v", ended, err)
	}
	others.Mark = "62.0625"
	if ours.alive() || !others.alive() {
		t.Errorf("ours is alive: %v, another: %v", ours.alive(), others.alive())
	}
	if ended, err := c.Down(); err != nil || ended != 0 {
		t.Errorf("the second time: %d, %v", ended, err)
	}
	if status, err := c.Status(context.Background()); err != nil || status.Address != "" {
		t.Errorf("a cluster that is down: %+v, %v", status, err)
	}
}

// If a process ends while the cluster comes up, the error has the end of its log.
func TestProcessThatEnds(t *testing.T) {
	c := newCluster(t)
	cmd, p := sleeper(t, "63.0625")
	if err := os.MkdirAll(c.path("log"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.logOf(p.Name), []byte(strings.Repeat("before\n", 50)+"no memory\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	err := c.await(context.Background(), &state{Processes: []process{p}}, func() bool { return false })
	if err == nil || !strings.Contains(err.Error(), "no memory") || strings.Count(err.Error(), "before") > 20 {
		t.Errorf("%v", err)
	}
}

func TestAwaitHasAnEnd(t *testing.T) {
	c := newCluster(t)
	c.config.Patience = time.Millisecond
	if err := c.await(context.Background(), &state{}, func() bool { return false }); err == nil || !strings.Contains(err.Error(), c.path("log")) {
		t.Errorf("a cluster that does not come up: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c.config.Patience = time.Hour
	if err := c.await(ctx, &state{}, func() bool { return false }); err != context.Canceled {
		t.Errorf("an interrupt: %v", err)
	}
}

// A port that is in use is an error.
func TestPortIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := newCluster(t)
	c.config.Port = l.Addr().(*net.TCPAddr).Port
	if _, err := c.fresh(); err == nil || !strings.Contains(err.Error(), "--port") {
		t.Errorf("a port that is taken: %v", err)
	}
}

// The settings are valid YAML with the values of the configuration.
func TestSettings(t *testing.T) {
	c := newCluster(t)
	var got map[string]string
	if err := yaml.Unmarshal([]byte(c.settings(&state{TaskSlots: 5, Heap: 777}, 1234, 5678)), &got); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"rest.port": "1234", "jobmanager.rpc.port": "5678", "taskmanager.numberOfTaskSlots": "5", "taskmanager.memory.task.heap.size": "777m",
		"rest.bind-address": "127.0.0.1", "taskmanager.bind-host": "127.0.0.1", "jobmanager.bind-host": "127.0.0.1",
		"taskmanager.memory.segment-size": "4kb", "io.tmp.dirs": c.path("tmp"),
	} {
		if got[key] != want {
			t.Errorf("%s is %q, not %q", key, got[key], want)
		}
	}
}

// The cluster runs the Flink that the connector and the jobs are built against.
func TestVersionsAgree(t *testing.T) {
	built, err := os.ReadFile(filepath.FromSlash("../../../flink/pom.xml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"flink.version", "log4j.version"} {
		line := regexp.MustCompile("<" + name + ">.*</" + name + ">")
		if a, b := line.Find(built), line.Find(pom); string(a) != string(b) || len(a) == 0 {
			t.Errorf("%s where the jobs are built, %s here", a, b)
		}
	}
	if version() == "" {
		t.Error("Flink has no version")
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		want string
		turn func(*Config)
	}{
		{"port", func(c *Config) { c.Port = 70000 }},
		{"taskmanagers", func(c *Config) { c.TaskManagers = 0 }},
		{"slots", func(c *Config) { c.TaskSlots = 0 }},
		{"heap", func(c *Config) { c.Heap = 1 }},
		{"dir", func(c *Config) { c.Dir = "" }},
		{"wait", func(c *Config) { c.Patience = 0 }},
	} {
		config := Default()
		c.turn(&config)
		if err := config.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.want, err)
		}
	}
}

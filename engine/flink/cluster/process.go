package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/saspart/saspart/internal/files"
)

// process is a JVM that was started.
type process struct {
	Name string `json:"name"`
	ID   int    `json:"pid"`
	Mark string `json:"mark"` // occurs in the arguments of this process alone; the ID of a TaskManager
}

// newMark returns a mark that tells a process from earlier ones and from a later one with the
// same ID.
func newMark(name string) string { return fmt.Sprintf("%s-%x", name, time.Now().UnixNano()) }

// start starts a JVM that outlives this process. args begin with its main class.
func (c *Cluster) start(name, mark, java, classpath string, jvm, args []string) (*process, error) {
	out, err := os.OpenFile(c.logOf(name), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close() // the child has its own copy
	p := &process{Name: name, Mark: mark}
	all := append([]string{
		"-Dsaspart.process=" + mark, "-XX:+UseSerialGC", "-Dlog4j2.configurationFile=" + c.path("conf", "log4j2.properties"),
		"--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED",
	}, jvm...)
	all = append(append(all, "-cp", classpath), args[0], "--configDir", c.path("conf"))
	cmd := exec.Command(java, append(all, args[1:]...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.config.Dir, out, out
	cmd.SysProcAttr = Apart()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the %s: %w", name, err)
	}
	p.ID = cmd.Process.Pid
	go func() { _ = cmd.Wait() }() // so that it does not become a zombie if it ends before this process
	return p, nil
}

// alive reports whether the process runs.
func (p *process) alive() bool {
	line, err := commandLine(p.ID)
	return err == nil && strings.Contains(line, p.Mark)
}

// commandLine returns the command line of a process.
func commandLine(id int) (string, error) {
	if text, err := files.Read(filepath.Join("/proc", strconv.Itoa(id), "cmdline"), files.Text); err == nil || onProc() {
		return string(bytes.ReplaceAll(text, []byte{0}, []byte{' '})), err
	}
	text, err := exec.Command("ps", "-ww", "-o", "args=", "-p", strconv.Itoa(id)).Output()
	return string(text), err
}

// onProc reports whether processes can be looked up in /proc.
func onProc() bool {
	_, err := os.Stat("/proc/self/cmdline")
	return err == nil
}

// Limits of ending a process: how long it may take to end by itself, and to be gone once it
// was killed.
const (
	politely = 15 * time.Second
	killed   = 5 * time.Second
)

// end ends the process if it is alive, and returns when it is gone.
func (p *process) end() error {
	for _, try := range []struct {
		signal   os.Signal
		patience time.Duration
	}{{syscall.SIGTERM, politely}, {os.Kill, killed}} {
		if !p.alive() {
			return nil
		}
		it, err := os.FindProcess(p.ID)
		if err == nil {
			err = it.Signal(try.signal)
		}
		if err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("end the %s, process %d: %w", p.Name, p.ID, err)
		}
		for until := time.Now().Add(try.patience); p.alive() && time.Now().Before(until); {
			time.Sleep(50 * time.Millisecond)
		}
	}
	if p.alive() {
		return fmt.Errorf("the %s, process %d, does not end", p.Name, p.ID)
	}
	return nil
}

func (c *Cluster) logOf(name string) string { return c.path("log", name+".log") }

// tail returns the last lines of a file, without the frames of stack traces.
func tail(file string) string {
	text, err := files.Read(file, files.Text)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	lines = slices.DeleteFunc(lines, func(line string) bool {
		line = strings.TrimSpace(line)
		return strings.HasPrefix(line, "at ") || strings.HasPrefix(line, "... ")
	})
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

// findJava returns the java of JAVA_HOME, or of PATH.
func findJava() (string, error) {
	if home := os.Getenv("JAVA_HOME"); home != "" {
		return filepath.Join(home, "bin", "java"), nil
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return "", errors.New("there is no java on the PATH; install a JDK (11 or 17), or set JAVA_HOME")
	}
	return java, nil
}

package runlog

import (
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/saspart/saspart/internal/files"
)

// Host describes a run's machine, as far as it explains speeds. Unknown values are empty or
// 0.
type Host struct {
	Name     string `yaml:"name"`
	Platform string `yaml:"platform"` // operating system/architecture
	CPU      string `yaml:"cpu"`      // model
	CPUs     int    `yaml:"cpus"`     // that the process may use
	MemoryMB int    `yaml:"memory_mb"`
	Go       string `yaml:"go"` // version that built the program
}

// ThisHost describes this machine.
func ThisHost() Host {
	h := Host{Platform: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version()}
	h.Name, _ = os.Hostname()
	h.CPU = procValue("/proc/cpuinfo", "model name")
	if kb, err := strconv.Atoi(strings.TrimSuffix(procValue("/proc/meminfo", "MemTotal"), " kB")); err == nil {
		h.MemoryMB = kb / 1024
	}
	return h
}

// procValue is the first value of that name in a file of name: value lines.
func procValue(file, name string) string {
	text, err := files.Read(file, files.Text)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

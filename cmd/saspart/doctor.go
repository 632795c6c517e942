package main

import (
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/saspart/saspart/internal/files"
	"github.com/saspart/saspart/train/offline"
)

// finding is the result of one check.
type finding struct {
	Thing  string `json:"thing"`
	Needed string `json:"needed_for"`
	Found  string `json:"found,omitempty"` // empty: missing
	Fix    string `json:"fix,omitempty"`   // how to get it, if it is missing
}

func (a *app) doctorCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check what this machine needs for building and training",
		Long: `Looks for the tools of building, training, checking and the Flink connector: the Go
toolchain, a C++ compiler, libtorch, the Python readers, a JDK with Maven. For each
missing tool it says what to do. All commands but training need only this binary.
Python is expected in .venv of the current folder.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runDoctor(cmd.Context(), output) },
	}
	outputFlag(cmd, &output, "text", "json")
	return cmd
}

func (a *app) runDoctor(ctx context.Context, output string) error {
	findings := doctor{ctx: ctx, env: a.env}.examine()
	var b strings.Builder
	for _, f := range findings {
		mark, text := "ok  ", f.Found
		if f.Found == "" {
			mark, text = "--  ", "missing; for "+f.Needed+": "+f.Fix
		}
		fmt.Fprintf(&b, "%s%-20s %s\n", mark, f.Thing, text)
	}
	return a.print(output, findings, b.String())
}

// doctor examines a machine.
type doctor struct {
	ctx context.Context
	env []string
}

// patience is how long doctor waits for a program to print its version.
const patience = 20 * time.Second

// examine looks at everything.
func (d doctor) examine() []finding {
	training := finding{Thing: "training", Needed: "train-offline and train-online", Fix: "build with `make setup build` (Linux x86_64); everything else works without"}
	if offline.Available {
		training.Found = "built into this binary (tag torch)"
	}
	return []finding{
		training,
		d.libtorch(),
		{"Go", "building", d.version("go", "version"), "install Go 1.26 from https://go.dev/dl"},
		{"C++ compiler", "building with training", d.version("g++", "--version"), "install g++ 9 or later (Debian, Ubuntu: apt-get install g++)"},
		{"Python", "setting libtorch up, and checking the trace format", d.version("python3", "--version"), "install Python 3.11 or later with pip and venv (Debian, Ubuntu: apt-get install python3-pip python3-venv)"},
		{"Python readers", "the test that pandas, polars and duckdb read traces", d.readers(), "run `make setup` in the checkout"},
		{"JDK", "setting libtorch up, and the Flink connector", d.version("java", "-version"), "install a JDK, 17 or later (Debian, Ubuntu: apt-get install default-jdk-headless)"},
		{"Maven", "setting libtorch up, and the Flink connector", d.version("mvn", "-Dstyle.color=never", "-v"), "install Maven (Debian, Ubuntu: apt-get install maven)"},
	}
}

// colours are the escape sequences that Maven prints even with style.color=never.
var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

// version is the first line that a program prints about itself, with its place.
func (d doctor) version(program string, args ...string) string {
	path, err := exec.LookPath(program)
	if err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(d.ctx, patience)
	defer cancel()
	text, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	line, _, _ := strings.Cut(strings.TrimSpace(colours.ReplaceAllString(string(text), "")), "\n")
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s (%s)", line, path)
}

// readers are the Python packages that read traces, as far as all are there.
func (d doctor) readers() string {
	return d.version(filepath.Join(".venv", "bin", "python"), "-c",
		"import pandas, polars, duckdb; print('pandas', pandas.__version__ + ', polars', polars.__version__ + ', duckdb', duckdb.__version__)")
}

// libtorchVersion is the libtorch that is set up: scripts/libtorch.sh's.
const libtorchVersion = "2.1.2"

// libtorch looks where scripts/libtorch.sh puts it, or where LIBTORCH points.
func (d doctor) libtorch() finding {
	f := finding{Thing: "libtorch", Needed: "building with training", Fix: "run `make setup` in the checkout, or set LIBTORCH to a libtorch 2.1"}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		f.Fix = "prebuilt for Linux x86_64 only, this is " + runtime.GOOS + "/" + runtime.GOARCH + "; set LIBTORCH to a libtorch 2.1 built for it"
	}
	dir, given := d.lookup("LIBTORCH"), true
	if dir == "" {
		given = false
		cache := d.lookup("XDG_CACHE_HOME")
		if cache == "" {
			cache = filepath.Join(d.lookup("HOME"), ".cache")
		}
		dir = filepath.Join(cache, "saspart", "libtorch-"+libtorchVersion)
	}
	if _, err := os.Stat(filepath.Join(dir, "lib", "libtorch_cpu.so")); err != nil {
		if given {
			f.Fix = fmt.Sprintf("LIBTORCH is %s, which has no lib/libtorch_cpu.so: point it at the folder that holds lib and include, or unset it and run `make setup`", dir)
		}
		return f
	}
	version := torchVersion(dir)
	if version == "" {
		f.Fix = fmt.Sprintf("%s has libraries but no headers (include/torch): complete it, or remove it and run `make setup`", dir)
		return f
	}
	if !strings.HasPrefix(version, "2.1.") {
		f.Fix = fmt.Sprintf("LIBTORCH is %s, version %s: it must be 2.1; or unset it and run `make setup`", dir, version)
		return f
	}
	f.Found = fmt.Sprintf("%s, %s C++ ABI (%s)", version, abi(filepath.Join(dir, "lib", "libc10.so")), dir)
	return f
}

// lookup is the value of a variable.
func (d doctor) lookup(name string) string {
	for _, v := range d.env {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// torchVersion is what libtorch's headers say.
func torchVersion(dir string) string {
	text, err := files.Read(filepath.Join(dir, "include/torch/csrc/api/include/torch/version.h"), files.Text)
	if err != nil {
		return ""
	}
	parts := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "#define" {
			parts[f[1]] = f[2]
		}
	}
	return parts["TORCH_VERSION_MAJOR"] + "." + parts["TORCH_VERSION_MINOR"] + "." + parts["TORCH_VERSION_PATCH"]
}

// abi is the C++ ABI that a library speaks: the new one has __cxx11 in its names.
func abi(library string) string {
	f, err := elf.Open(library)
	if err != nil {
		return "unreadable"
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return "unreadable"
	}
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF && strings.Contains(s.Name, "__cxx11") {
			return "new"
		}
	}
	return "old"
}

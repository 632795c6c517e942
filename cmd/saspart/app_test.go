package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.uber.org/goleak"

	"github.com/saspart/saspart/config/field"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-test.") { // a test runs this binary as saspart
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// saspart runs a command line without a terminal.
func saspart(t *testing.T, env []string, args ...string) (code int, out, narration string) {
	t.Helper()
	var o, e bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &o, err: &e, env: env, now: time.Now}
	code = a.execute(context.Background(), args)
	return code, o.String(), e.String()
}

// golden compares text with testdata/name, or rewrites the file with -update.
func golden(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s differs (-want +got); if that is right, run the test with -update:\n%s", file, diff)
	}
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		why  string
		err  error
		want int
	}{
		{"done", nil, 0},
		{"anything that went wrong", errors.New("disk full"), 1},
		{"a command line that cannot be meant", fmt.Errorf("x: %w", usagef("no")), 2},
		{"an impossible value, however deep", fmt.Errorf("job: %w", errors.Join(field.Errorf("workers", "is 0"))), 2},
		{"an interrupt", fmt.Errorf("collect: %w", context.Canceled), 3},
		{"a threshold", &thresholdError{errors.New("1.7 is below 2")}, 4},
		{"a deadline is a failure, not an interrupt", context.DeadlineExceeded, 1},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%s: exit code %d, want %d", c.why, got, c.want)
		}
	}
}

func TestWrongCommandLines(t *testing.T) {
	for _, c := range []struct {
		why  string
		args []string
		want string
	}{
		{"unknown command", []string{"cofnig"}, `saspart: there is no command "saspart cofnig"; did you mean "config"?`},
		{"unknown subcommand", []string{"config", "shwo"}, `saspart: there is no command "saspart config shwo"; did you mean "show"?`},
		{"unknown flag", []string{"config", "show", "--confg", "x"}, `unknown flag: --confg; did you mean --config?`},
		{"unknown short flag", []string{"version", "-x"}, `unknown shorthand flag: 'x' in -x`},
		{"a flag without its value", []string{"config", "show", "--config"}, `flag needs an argument: --config`},
		{"a word that is no format", []string{"version", "-o", "jsn"}, `did you mean "json"? known are json, text`},
		{"an argument too many", []string{"version", "now"}, `saspart version takes no arguments, but got "now"`},
		{"nothing to check", []string{"config", "validate"}, `name at least one file to check`},
		{"--set without a value", []string{"config", "show", "--set", "seed"}, `write it as path=value, for example job.workers=16`},
		{"flags that exclude each other", []string{"collect", "--windows", "3", "--duration", "3s"}, `[duration windows] were all set`},
		{"repeats out of range", []string{"calibrate", "--repeats", "0"}, `--repeats is 0; it must be from 1 to 1000`},
		{"too few records", []string{"calibrate", "--records", "3"}, `--records is 3; it must be from 1024 to 16777216`},
	} {
		code, out, narration := saspart(t, nil, c.args...)
		if code != codeUsage || out != "" || !strings.Contains(narration, c.want) {
			t.Errorf("%s: exit code %d, stdout %q, stderr\n%swant code 2 and stderr with\n%s", c.why, code, out, narration, c.want)
		}
		if !strings.Contains(narration, " --help\n") {
			t.Errorf("%s: no word on help in %q", c.why, narration)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, c := range []struct {
		file string
		args []string
	}{
		{"help.txt", nil}, {"help.txt", []string{"--help"}}, {"help_config.txt", []string{"config"}},
	} {
		code, out, narration := saspart(t, nil, c.args...)
		if code != codeOK || narration != "" {
			t.Errorf("%v: exit code %d, stderr %q", c.args, code, narration)
		}
		golden(t, c.file, out)
	}
}

func TestConfigShow(t *testing.T) {
	code, out, narration := saspart(t, []string{"SASPART_JOB_QUEUE=99"}, "config", "show", "--config", "straggler", "--set", "job.speeds.worker=5")
	if code != codeOK || narration != "" {
		t.Fatalf("exit code %d, stderr %q", code, narration)
	}
	for _, want := range []string{
		"queue: 99 # env SASPART_JOB_QUEUE\n", "worker: 5 # flag --set job.speeds.worker=5\n",
		"workers: 8 # file built-in straggler:", "slide: 500ms # default\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	file := filepath.Join(t.TempDir(), "shown.yaml")
	if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, narration := saspart(t, nil, "config", "validate", file); code != codeOK {
		t.Errorf("what was shown is not valid: exit code %d, %s%s", code, out, narration)
	}
}

func TestConfigShowJSON(t *testing.T) {
	code, out, _ := saspart(t, nil, "config", "show", "-c", "drift", "-o", "json")
	var values []struct {
		Path, Layer, From string
		Value             any
	}
	if err := json.Unmarshal([]byte(out), &values); code != codeOK || err != nil {
		t.Fatalf("exit code %d, %v", code, err)
	}
	if v := values[0]; v.Path != "name" || v.Value != "drift" || v.Layer != "file" || !strings.HasPrefix(v.From, "built-in drift:") {
		t.Errorf("the first value is %+v", v)
	}
}

func TestConfigValidate(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	for file, text := range map[string]string{good: "name: good\n", bad: "job:\n  workers: 0\n  queu: 3\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// The variable would be an error too, but files are checked as they stand.
	code, out, narration := saspart(t, []string{"SASPART_NOTHING=1"}, "config", "validate", bad, good)
	if code != codeUsage || out != good+": valid\n" {
		t.Errorf("exit code %d, stdout %q; want 2 and the good file", code, out)
	}
	for _, want := range []string{bad + ":2: job.workers: is 0;", bad + `:3: job.queu: is not a setting; did you mean "queue"?`, "1 of 2 files not valid"} {
		if !strings.Contains(narration, want) {
			t.Errorf("no %q in\n%s", want, narration)
		}
	}
}

func TestConfigErrorsHaveOneShape(t *testing.T) {
	code, _, narration := saspart(t, nil, "config", "show", "--config", "drift", "--set", "job.workers=0")
	want := "--set job.workers=0: job.workers: is 0; it must be a whole number from 1 to 32768\n"
	if code != codeUsage || !strings.HasPrefix(narration, want) {
		t.Errorf("exit code %d, stderr %q, want %q", code, narration, want)
	}
}

func TestConfigList(t *testing.T) {
	code, out, _ := saspart(t, nil, "config", "list")
	if code != codeOK {
		t.Fatalf("exit code %d", code)
	}
	golden(t, "config_list.txt", out)
}

func TestVersion(t *testing.T) {
	code, out, _ := saspart(t, nil, "version", "-o", "json")
	var v version
	if err := json.Unmarshal([]byte(out), &v); code != codeOK || err != nil || v.Go == "" || v.Platform == "" {
		t.Errorf("exit code %d, %v, %+v", code, err, v)
	}
	if code, out, _ := saspart(t, nil, "--version"); code != codeOK || !strings.HasPrefix(out, "saspart ") {
		t.Errorf("--version: exit code %d, %q", code, out)
	}
	v = version{Module: "v1.2.3", Revision: "0123456789abcdef", Modified: true, Go: "go1.26", Platform: "linux/amd64", Torch: true}
	if got, want := v.String(), "saspart v1.2.3 0123456789ab (modified), go1.26 linux/amd64, with libtorch"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if code, out, narration := saspart(t, nil, "completion", shell); code != codeOK || !strings.Contains(out, "saspart") {
			t.Errorf("%s: exit code %d, %s", shell, code, narration)
		}
	}
	if _, out, _ := saspart(t, nil, "__complete", "config", "show", "--config", "stra"); !strings.Contains(out, "straggler\n") {
		t.Errorf("--config stra completes to %q", out)
	}
}

func TestCalibrate(t *testing.T) {
	if testing.Short() {
		t.Skip("measures for a second")
	}
	code, out, narration := saspart(t, nil, "calibrate", "--config", "wordcount-zipf", "--repeats", "1", "--records", "2048")
	if code != codeOK || !strings.Contains(narration, "calibrate: 1/1 repeats in ") {
		t.Fatalf("exit code %d, stderr %q", code, narration)
	}
	file := filepath.Join(t.TempDir(), "costs.yaml")
	if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, narration := saspart(t, nil, "config", "validate", file); code != codeOK {
		t.Errorf("the snippet is no configuration: %s\n%s", narration, out)
	}
	code, out, _ = saspart(t, nil, "calibrate", "--set", "task.name=count", "--repeats", "1", "--records", "1024", "-o", "json")
	var c calibration
	if err := json.Unmarshal([]byte(out), &c); code != codeOK || err != nil || c.Task != "count" || len(c.Costs) != 3 {
		t.Errorf("exit code %d, %v, %+v", code, err, c)
	}
}

// The first interrupt cancels the command, the second leaves at once.
func TestInterrupts(t *testing.T) {
	var narration bytes.Buffer
	a := &app{err: &narration}
	signals := make(chan os.Signal)
	ctx, cancel := context.WithCancel(context.Background())
	exited := make(chan int)
	go a.interrupts(signals, cancel, func(code int) { exited <- code })
	signals <- os.Interrupt
	<-ctx.Done()
	signals <- syscall.SIGTERM
	if code := <-exited; code != codeInterrupted {
		t.Errorf("left with %d, want %d", code, codeInterrupted)
	}
	if !strings.Contains(narration.String(), "interrupt again to leave at once") {
		t.Errorf("the user was told %q", narration.String())
	}
}

func TestInterruptedCommand(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, narration bytes.Buffer
	a := &app{out: &out, err: &narration, now: time.Now}
	code := a.execute(ctx, []string{"calibrate", "--set", "source.keys=10"})
	if code != codeInterrupted || out.Len() > 0 {
		t.Errorf("exit code %d, stdout %q; want 3 and nothing", code, out.String())
	}
}

// What help shows behind a flag says what it takes, not the type in Go that holds it.
func TestFlagPlaceholders(t *testing.T) {
	var check func(cmd *cobra.Command)
	check = func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			name, usage := pflag.UnquoteUsage(f)
			if strings.Contains(usage, "`") || slices.Contains([]string{"int", "ints", "float", "floats", "uint", "string", "strings", "value"}, name) {
				t.Errorf("%s --%s %s: %s", cmd.CommandPath(), f.Name, name, usage)
			}
		})
		for _, c := range cmd.Commands() {
			check(c)
		}
	}
	check((&app{}).root())
}

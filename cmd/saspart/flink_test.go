package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/saspart/saspart/engine/flink"
	"github.com/saspart/saspart/train/offline"
)

func TestFlinkFlags(t *testing.T) {
	nowhere := "http://127.0.0.1:1"
	for _, c := range []struct {
		why  string
		code int
		args []string
		want string
	}{
		{"a cluster for an engine that needs none", codeUsage, []string{"collect", "--flink", nowhere}, "--flink only with --engine flink"},
		{"the same for a jar", codeUsage, []string{"run", "--jar", "x.jar", "--engine", "local"}, "--jar only with --engine flink"},
		{"a cluster, but the job is in another process", codeUsage,
			[]string{"train-online", "--config", "straggler", "--out", filepath.Join(t.TempDir(), "x"), "--listen", "127.0.0.1:0", "--flink", nowhere}, "only with --engine flink"},
		{"no address", codeUsage, []string{"throughput", "--engine", "flink", "--flink", "127.0.0.1:8081"}, "like http://127.0.0.1:8081"},
		{"no cluster answers", codeFailed, []string{"collect", "--engine", "flink", "--flink", nowhere, "--out", t.TempDir()}, "saspart flink up"},
		{"a partitioner that is not there", codeUsage, []string{"run", "--engine", "flink", "--flink", nowhere, "--partitioner", "fish"}, "wchoices"},
		{"speeds that change", codeUsage, []string{"run", "--engine", "flink", "--flink", nowhere, "--config", "changing-speeds"}, "job.speeds.change"},
		{"no slots", codeUsage, []string{"flink", "up", "--dir", t.TempDir(), "--slots", "0"}, "slots: is 0"},
		{"a command that is none", codeUsage, []string{"flink", "upp"}, `did you mean "up"?`},
	} {
		if c.args[0] == "train-online" && !offline.Available {
			continue
		}
		code, _, narration := saspart(t, nil, c.args...)
		if code != c.code || !strings.Contains(narration, c.want) {
			t.Errorf("%s: exit code %d, stderr\n%swant code %d and stderr with\n%s", c.why, code, narration, c.code, c.want)
		}
	}
}

func TestFlinkStatusAndDownOfNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cluster")
	if code, out, _ := saspart(t, nil, "flink", "status", "--dir", dir); code != codeOK || !strings.Contains(out, "no cluster runs") {
		t.Errorf("status: exit code %d, %q", code, out)
	}
	if code, out, narration := saspart(t, nil, "flink", "down", "--dir", dir); code != codeOK || out != "" || !strings.Contains(narration, "no cluster runs from "+dir) {
		t.Errorf("down: exit code %d, %q, %q", code, out, narration)
	}
}

// The variable names the jar where no flag does.
func TestFlinkJarVariable(t *testing.T) {
	a := &app{env: []string{"X=y", flink.JarVariable + "=/nowhere/jobs.jar"}}
	f := flinkFlags{address: "http://127.0.0.1:1"}
	for _, jar := range []string{"", "mine.jar"} {
		f.jar = jar
		want := jar
		if jar == "" {
			want = "/nowhere/jobs.jar"
		}
		if c := f.config(a); c.Jar != want {
			t.Errorf("--jar %q gives %q", jar, c.Jar)
		}
	}
	// It is no setting of an experiment.
	if code, _, narration := saspart(t, a.env, "config", "show"); code != codeOK {
		t.Errorf("exit code %d, %s", code, narration)
	}
}

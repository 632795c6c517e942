package main

import (
	"bytes"
	"os"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestDeployment has the command read the flags that deploy/kubernetes gives the server.
func TestDeployment(t *testing.T) {
	const file = "../../deploy/kubernetes/deployment.yaml"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Spec struct {
			Template struct {
				Spec struct {
					Containers []struct{ Args []string }
				}
			}
		}
	}
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&d); err != nil {
		t.Fatal(err)
	}
	containers := d.Spec.Template.Spec.Containers
	if len(containers) != 1 || len(containers[0].Args) == 0 || containers[0].Args[0] != "serve" {
		t.Fatalf("%s: want one container that runs serve, got %+v", file, containers)
	}
	cmd, args, err := new(app).root().Find(containers[0].Args)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.ParseFlags(args); err != nil {
		t.Errorf("%s: %v", file, err)
	}
}

// TestRelease shows the version that the linker set.
func TestRelease(t *testing.T) {
	defer func() { release = "" }()
	release = "1.2.3"
	if got := buildVersion().Module; got != "1.2.3" {
		t.Errorf("version %q, want the release's", got)
	}
}

package cluster

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/saspart/saspart/internal/files"
)

// pom lists the artifacts that a cluster is made of.
//
//go:embed pom.xml
var pom []byte

// copyPlugin is the Maven plugin that copies them.
const copyPlugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

// version is the version of Flink.
func version() string {
	return string(regexp.MustCompile(`<flink.version>(.*)</flink.version>`).FindSubmatch(pom)[1])
}

// ClassPath returns the class path of the cluster's processes. Maven fetches it the first
// time.
func (c *Cluster) ClassPath(ctx context.Context) (classpath string, err error) {
	// One copy serves all clusters of a user.
	shared := defaultDir()
	if shared == "" {
		shared = c.config.Dir
	}
	dir := filepath.Join(shared, "lib", fmt.Sprintf("%s-%x", version(), sha256.Sum256(pom))[:20])
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		if err := c.fetch(ctx, dir); err != nil {
			return "", err
		}
	} else if err != nil {
		return "", err
	}
	return filepath.Join(dir, "*"), nil
}

// fetch copies the artifacts to a folder with Maven, all or none.
func (c *Cluster) fetch(ctx context.Context, dir string) error {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return errors.New("there is no mvn on the PATH; install Apache Maven, which fetches Flink")
	}
	c.say("fetching Flink %s with Maven, about 70 MB", version())
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "part-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	file, lib := filepath.Join(work, "pom.xml"), filepath.Join(work, "lib")
	if err := os.WriteFile(file, pom, 0o644); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, mvn, "-q", "-B", "-ntp", "-f", file, copyPlugin, "-DincludeScope=runtime", "-DoutputDirectory="+lib)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("fetch Flink with Maven: %w\n%s", err, strings.TrimSpace(out.String()))
	}
	return files.Rename(lib, dir)
}

// Package runlog keeps the folder of a training run: command, configuration, machine and
// metrics, for people, for TensorBoard and for resuming.
//
//	run.yaml         command, version, seed, host, start and resumptions (Info)
//	config.yaml      the resolved configuration
//	metrics.csv      a row per entry: step, seconds, a column per tag
//	events.out.*     the same for TensorBoard, a file per start
//
// Checkpoints and the report page are beside them. The package has no clock: callers pass
// the time.
package runlog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/saspart/saspart/internal/files"
)

// Names in a run's folder.
const (
	InfoFile    = "run.yaml"
	ConfigFile  = "config.yaml"
	MetricsFile = "metrics.csv"
	ReportFile  = "report.html"
	RoutesFile  = "routes.json" // where a policy has put the hot keys, before and after
)

// Info describes a run.
type Info struct {
	Name    string    `yaml:"name"`
	Command []string  `yaml:"command"` // the program and its arguments
	Version string    `yaml:"version"` // of the program
	Seed    uint64    `yaml:"seed"`
	Started time.Time `yaml:"started"`
	Host    Host      `yaml:"host"`
	Steps   string    `yaml:"steps,omitempty"` // what its steps count, in the plural; none: updates
	Resumed []Resumed `yaml:"resumed,omitempty"`
}

// Resumed is one continuation of a run.
type Resumed struct {
	At   time.Time `yaml:"at"`
	Step int64     `yaml:"step"` // of the checkpoint
	// Command is what does all of it: the program and its arguments without --resume.
	Command []string `yaml:"command,omitempty"`
}

// Run writes to a run's folder. It is for one goroutine at a time.
type Run struct {
	dir     string
	lock    *Lock
	info    Info
	table   *table
	events  *events
	before  float64   // seconds that the run had been going on before since
	since   time.Time // it began or was resumed
	stopped error
}

// Create begins a run in dir, which is created if necessary. Its rows have the given tags.
// A folder that holds a run is an error.
func Create(dir string, info Info, config []byte, tags []string) (*Run, error) {
	r := &Run{dir: dir, info: info, since: info.Started}
	err := r.create(config, tags)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("begin run %s: %w", dir, err), r.Close())
	}
	return r, nil
}

func (r *Run) create(config []byte, tags []string) (err error) {
	if err := os.MkdirAll(r.dir, 0o777); err != nil {
		return err
	}
	if _, err := os.Lstat(r.Path(InfoFile)); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, errors.New("the folder holds a run already: resume it, or choose another name"))
	}
	if r.lock, err = Acquire(r.dir); err != nil {
		return err
	}
	if err := files.Replace(r.Path(ConfigFile), config); err != nil {
		return err
	}
	if r.table, err = createTable(r.Path(MetricsFile), tags); err != nil {
		return err
	}
	if r.events, err = createEvents(r.dir, r.info.Started, r.info.Host.Name, 0); err != nil {
		return err
	}
	return r.writeInfo() // which makes the folder a run
}

// Resume continues the run in dir from a checkpoint: rows of later steps are removed, also in
// TensorBoard.
func Resume(dir string, from Resumed, tags []string) (*Run, error) {
	info, err := ReadInfo(dir)
	if err != nil {
		return nil, err
	}
	info.Resumed = append(info.Resumed, from)
	r := &Run{dir: dir, info: *info, since: from.At}
	if err := r.resume(from.Step, from.At, tags); err != nil {
		return nil, errors.Join(fmt.Errorf("resume run %s: %w", dir, err), r.Close())
	}
	return r, nil
}

func (r *Run) resume(step int64, at time.Time, tags []string) (err error) {
	if r.lock, err = Acquire(r.dir); err != nil {
		return err
	}
	if r.table, r.before, err = resumeTable(r.Path(MetricsFile), tags, step); err != nil {
		return err
	}
	if r.events, err = createEvents(r.dir, at, r.info.Host.Name, len(r.info.Resumed)); err != nil {
		return err
	}
	return errors.Join(r.events.resumed(at, step+1), r.writeInfo())
}

// ReadInfo reads the Info of the run in dir.
func ReadInfo(dir string) (*Info, error) {
	text, err := files.Read(filepath.Join(dir, InfoFile), files.Text)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("it holds no run: there is no %s in it", InfoFile)
		}
		return nil, fmt.Errorf("open run %s: %w", dir, err)
	}
	var info Info
	if err := yaml.Unmarshal(text, &info); err != nil {
		return nil, fmt.Errorf("open run %s: %s: %w", dir, InfoFile, err)
	}
	return &info, nil
}

// Info returns the run's description.
func (r *Run) Info() Info { return r.info }

// Path is the path of a name in the run's folder.
func (r *Run) Path(name string) string { return filepath.Join(r.dir, name) }

// Log writes the values of a step, by tag; tags may be missing. Steps must not decrease. When
// Log returns, the values survive the death of the process. After a failure to write, such
// as a full disk, the earlier rows stay.
func (r *Run) Log(step int64, at time.Time, values map[string]float64) error {
	err := r.stopped
	if err == nil {
		err = r.table.check(step, values)
	}
	if err == nil {
		err = r.table.add(step, r.before+at.Sub(r.since).Seconds(), values)
	}
	if err == nil {
		err = r.events.add(at, step, r.table.tags, values)
	}
	if err != nil {
		return fmt.Errorf("report step %d of run %s: %w", step, r.dir, err)
	}
	return nil
}

// Close closes the run's files.
func (r *Run) Close() error {
	var errs []error
	if r.table != nil {
		errs = append(errs, r.table.file.Close())
	}
	if r.events != nil {
		errs = append(errs, r.events.file.Close())
	}
	errs = append(errs, r.lock.Release())
	r.table, r.events, r.lock, r.stopped = nil, nil, nil, fs.ErrClosed
	return errors.Join(errs...)
}

func (r *Run) writeInfo() error {
	text, err := yaml.Marshal(&r.info)
	if err != nil {
		return err
	}
	return files.Replace(r.Path(InfoFile), text)
}

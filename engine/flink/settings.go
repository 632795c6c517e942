package flink

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/registry"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
	"github.com/saspart/saspart/stream/file"
)

// Setup is everything a job is made of.
type Setup struct {
	Name     string // of the job, as Flink shows it
	Config   engine.Config
	Task     stream.TaskConfig
	Source   stream.SourceConfig
	Spacing  string          // of the records: stream.SpacingEven or stream.SpacingPoisson
	Arrivals engine.Arrivals // only its rate is used, that of one subtask
	Scheme   partition.Scheme
	Seed     uint64
	Results  engine.ResultFunc  // nil: results are computed but not reported
	Latency  engine.LatencyFunc // nil: the quantiles in the windows are enough
}

// validate reports impossible values, and values that a job on Flink does not support.
func (s *Setup) validate() error {
	j := &s.Config
	return errors.Join(
		field.In("task", s.Task.Validate()), field.In("job", j.Validate()), runs(&s.Scheme),
		field.Check(j.Combine == engine.CombineNone, "job.combine", "is %s; on flink records are sent one by one; set it to %s", j.Combine, engine.CombineNone),
		field.Check(j.Speeds.Change == (engine.SpeedChange{}), "job.speeds.change", "is set; on flink speeds do not change: leave it out"),
		field.Check(j.Slide%time.Millisecond == 0 && j.Window%time.Millisecond == 0,
			"job.slide", "is %v, in windows of %v; on flink both must be whole milliseconds", j.Slide, j.Window),
	)
}

// runs reports a partitioner that Flink's connector does not have.
func runs(s *partition.Scheme) error {
	if s.Flink.Settings != nil {
		return nil
	}
	return field.Errorf("partitioner.name", "is %s, which does not run on flink; these do: %s", s.Name, strings.Join(registry.OnFlink(), ", "))
}

// settings is the JSON that a job of saspart-flink-jobs reads.
type settings struct {
	Job           string           `json:"job"`
	Instance      string           `json:"instance"`
	Server        string           `json:"server"`
	Token         string           `json:"token,omitempty"`
	Authority     string           `json:"tls_ca_pem,omitempty"` // the server's certificate; "": connections are not encrypted
	Task          json.RawMessage  `json:"task"`
	Workers       int              `json:"workers"`
	Partitioners  int              `json:"partitioners"`
	Reducers      int              `json:"reducers"`
	SlideMS       int64            `json:"slide_ms"`
	WindowMS      int64            `json:"window_ms"`
	MetricSlides  int              `json:"metric_slides"`
	HotKeys       int              `json:"hot_keys"`
	HashSlots     int              `json:"slots"`
	Partitioner   json.RawMessage  `json:"partitioner"`
	Source        json.RawMessage  `json:"source"`
	Rate          float64          `json:"rate"`
	Spacing       string           `json:"spacing"`
	Capacity      engine.Execution `json:"capacity"`
	Speeds        []float64        `json:"speeds"`
	Costs         costs            `json:"costs"`
	WorkRatio     float64          `json:"work_ratio"`
	Seed          int64            `json:"seed"`
	Records       int64            `json:"records"` // after which the sources end; 0: never
	Results       string           `json:"results"`
	CheckpointMS  int64            `json:"checkpoint_ms"`
	CheckpointDir string           `json:"checkpoint_dir"`
	StaleAfterMS  int64            `json:"stale_after_ms"`
}

// costs are engine.Costs in ns. Those of state are scaled already, by Config.StateScale.
type costs struct {
	Record int64 `json:"record_ns"`
	Unit   int64 `json:"unit_ns"`
	Emit   int64 `json:"emit_ns"`
	Pane   int64 `json:"pane_ns"`
	Merge  int64 `json:"merge_ns"`
	Entry  int64 `json:"entry_ns"`
}

// newSettings describes the job. The rate is 0 at first; it is announced once all subtasks
// report.
func newSettings(setup *Setup) (*settings, error) {
	source := setup.Source
	if source.Kind == stream.KindFile {
		at, err := file.Locate(source.File.Path)
		if err != nil {
			return nil, err
		}
		path, err := filepath.Abs(at) // the job has another working directory
		if err != nil {
			return nil, err
		}
		source.File.Path = path
		source.File.Delimiter = string(source.File.Comma())
	}
	j := &setup.Config
	state := func(cost time.Duration) int64 { return int64(float64(cost.Nanoseconds())*j.StateScale() + 0.5) }
	s := &settings{
		Job: setup.Name, Workers: j.Workers, Partitioners: j.Partitioners, Reducers: j.Reducers,
		SlideMS: j.Slide.Milliseconds(), WindowMS: j.Window.Milliseconds(), MetricSlides: j.MetricSlides,
		HotKeys: j.NamedKeys(), HashSlots: policy.SlotCount(j.Workers), Spacing: setup.Spacing, Capacity: j.Execution,
		Speeds: j.Speeds.Of(j.Workers, setup.Seed), WorkRatio: j.WorkRatio, Seed: int64(setup.Seed),
		Costs: costs{
			Record: j.Costs.Record.Nanoseconds(), Unit: j.Costs.Unit.Nanoseconds(), Emit: state(j.Costs.Emit),
			Pane: state(j.Costs.Pane), Merge: state(j.Costs.Merge), Entry: state(j.Costs.Entry),
		},
	}
	var err error
	for _, part := range []struct {
		to   *json.RawMessage
		from any
	}{{&s.Task, setup.Task}, {&s.Source, source}, {&s.Partitioner, setup.Scheme.Flink.Settings}} {
		if *part.to, err = asJSON(part.from); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// asJSON renders a configuration as JSON with the names and value formats of an experiment
// file.
func asJSON(part any) (json.RawMessage, error) {
	text, err := yaml.Marshal(part)
	if err != nil {
		return nil, fmt.Errorf("describe the job: %w", err)
	}
	var tree any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("describe the job: %w", err)
	}
	return json.Marshal(tree)
}

// arguments returns the settings as arguments of the program.
func (s *settings) arguments() ([]string, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("describe the job: %w", err)
	}
	return []string{"--conf", base64.URLEncoding.EncodeToString(text)}, nil
}

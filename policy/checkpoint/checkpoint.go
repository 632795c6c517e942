// Package checkpoint defines the files in which a learned policy is kept: a manifest and the
// tensors of its network. It finds, reads and atomically replaces folders of them, and holds
// the built-in checkpoint.
package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/filter"
	"github.com/saspart/saspart/policy/network"
)

// Format is the version of the checkpoint format that this package reads
// and writes.
const Format = 1

// Kind is the form of action that a checkpoint's policy decides on.
type Kind string

const (
	// KindShares decides on one number per (key, worker) pair of a mask, for one P.
	KindShares Kind = "shares"
	// KindCapacity decides on each worker's part of the work, for any P.
	KindCapacity Kind = "capacity"
)

// Training is how a policy was trained, in words; its parent may have been trained otherwise.
type Training string

const (
	// ThroughModel is by gradients through a model of the job, on scenarios or at recorded speeds.
	ThroughModel Training = "through a model of the job"
	// FromTraces is from the rewards in traces.
	FromTraces Training = "from rewards in traces"
	// ByCloning is by imitation of the behaviour in traces.
	ByCloning Training = "by cloning the behaviour in traces"
	// OnJob is from the rewards of a running job, with or without traces beside it.
	OnJob Training = "from rewards on a running job"
)

// Checkpoint is all that serving a learned policy needs (docs/design.md, "Files"): the
// manifest, kept as JSON in manifest.json, and the policy's tensors, kept in
// policy.safetensors under their names.
type Checkpoint struct {
	Format        int                `json:"format"`                  // Format
	Kind          Kind               `json:"kind"`                    // shares or capacity
	CreatedBy     string             `json:"created_by"`              // program and version
	Parent        string             `json:"parent,omitempty"`        // the checkpoint that training started from
	Trained       Training           `json:"trained,omitempty"`       // how; what is loaded from an older version does not say it
	Shares        *SharesSpec        `json:"shares,omitempty"`        // exactly for kind shares
	Capacity      *CapacitySpec      `json:"capacity,omitempty"`      // exactly for kind capacity
	Normalisation *Normalisation     `json:"normalisation,omitempty"` // of the network's inputs; none: as they are
	Metrics       map[string]float64 `json:"metrics,omitempty"`       // how good it was when saved
	Configuration string             `json:"configuration,omitempty"` // the experiment that trained it, as YAML
	Digest        string             `json:"policy_sha256"`           // of policy.safetensors, in hex; set by Save

	// Whole is the SHA-256 of the manifest without it, and so of the whole checkpoint, since
	// the manifest has Digest; set by Save. Checkpoints of earlier programs have none.
	Whole string `json:"sha256,omitempty"`

	// Tensors are the network's: network.NewMLP and network.NewGRU say which.
	Tensors []network.Tensor `json:"-"`
}

// SharesSpec is what a shares policy was made for.
type SharesSpec struct {
	Workers   int        `json:"workers"`              // P
	Mask      [][]uint16 `json:"mask"`                 // by rank of the key: its workers, ascending (see Mask)
	HotKeys   int        `json:"hot_keys"`             // keys named in routes, those past the mask's evenly spread
	KeyShares []float64  `json:"key_shares,omitempty"` // by rank: each hot key's part of the records it was trained on
	// Observation is the form of the network's inputs. None, as in what an older version has
	// written, is the published one; the adaptive one needs key_shares of the mask's keys.
	Observation policy.ObservationForm `json:"observation,omitzero"`
	Published   bool                   `json:"published"` // equal record counts observed as published (see Observation)
	Hidden      []int                  `json:"hidden"`    // widths of the hidden layers
}

// CapacitySpec is what a capacity policy was made for.
type CapacitySpec struct {
	Inputs []string `json:"inputs"`          // of filter.InputNames, in the network's order
	Units  int      `json:"units"`           // memory per worker
	Hedge  bool     `json:"hedge,omitempty"` // the action has a hedge (filter.Step.Apply)
	Pool   bool     `json:"pool,omitempty"`  // workers see the mean of all memories (GRU)
	// Uncertainty says that the network states how far the speeds may be from the capacities
	// (filter.Uncertainty), which needs a hedge.
	Uncertainty bool `json:"uncertainty,omitempty"`
}

// Normalisation is what is done to a network's inputs: (x - Mean) * Scale, one of each
// per input (for a capacity network, of one worker).
type Normalisation struct {
	Mean  []float32 `json:"mean"`
	Scale []float32 `json:"scale"`
}

// Apply normalises rows of inputs, in place. A nil Normalisation leaves them as they are.
func (n *Normalisation) Apply(x []float32) {
	if n == nil {
		return
	}
	for ; len(x) > 0; x = x[len(n.Mean):] {
		for i, mean := range n.Mean {
			x[i] = (x[i] - mean) * n.Scale[i]
		}
	}
}

// Limits of a checkpoint, far above any practical network.
const (
	mostWidth      = 1 << 14
	mostLayers     = 16
	mostHotKeys    = 1 << 16
	mostParameters = 1 << 26
	mostManifest   = 64 << 20 // bytes
	mostHeader     = 1 << 20  // bytes of policy.safetensors besides the parameters
)

// Validate reports impossible values of the manifest by their path, with the names
// that they have in manifest.json. Tensors are checked by Network.
func (c *Checkpoint) Validate() error {
	var errs []error
	if c.Format != Format {
		errs = append(errs, field.Errorf("format", "is %d; this version reads and writes %d", c.Format, Format))
	}
	switch {
	case c.Kind != KindShares && c.Kind != KindCapacity:
		errs = append(errs, field.Errorf("kind", "is %q; it must be %s or %s", c.Kind, KindShares, KindCapacity))
	case c.Kind == KindShares && (c.Shares == nil || c.Capacity != nil):
		errs = append(errs, field.Errorf("kind", "is shares, so shares must be there and capacity must not"))
	case c.Kind == KindCapacity && (c.Capacity == nil || c.Shares != nil):
		errs = append(errs, field.Errorf("kind", "is capacity, so capacity must be there and shares must not"))
	case c.Shares != nil:
		errs = append(errs, field.In("shares", c.Shares.validate()))
	default:
		errs = append(errs, field.In("capacity", c.Capacity.validate()))
	}
	if err := errors.Join(errs...); err != nil {
		return err // the rest depends on it
	}
	inputs, parameters := c.size()
	errs = append(errs, field.Check(parameters <= mostParameters,
		string(c.Kind), "describes a network of %d parameters; at most %d are possible", parameters, mostParameters))
	if n := c.Normalisation; n != nil {
		errs = append(errs, field.Check(len(n.Mean) == inputs && len(n.Scale) == inputs,
			"normalisation", "has %d means and %d scales for %d inputs", len(n.Mean), len(n.Scale), inputs))
		for i, v := range slices.Concat(n.Mean, n.Scale) {
			errs = append(errs, field.Check(finite(float64(v)), "normalisation", "number %d is %v", i, v))
		}
	}
	for name, v := range c.Metrics {
		errs = append(errs, field.Check(finite(v), "metrics."+name, "is %v; JSON has no such number, leave it out", v))
	}
	return errors.Join(errs...)
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func (s *SharesSpec) validate() error {
	errs := []error{
		field.Whole("workers", s.Workers, 1, policy.MaxWorkers),
		field.Whole("hot_keys", s.HotKeys, max(1, len(s.Mask)), mostHotKeys),
		field.Whole("hidden", len(s.Hidden), 1, mostLayers),
		field.Check(len(s.Mask) > 0, "mask", "is empty; a policy must have a key to decide on"),
	}
	for rank, row := range s.Mask {
		path := fmt.Sprintf("mask[%d]", rank)
		errs = append(errs, field.Check(len(row) > 0, path, "is empty; every key needs a worker"))
		for i, w := range row {
			if int(w) >= s.Workers || i > 0 && w <= row[i-1] {
				errs = append(errs, field.Errorf(path, "is %v; it must be ascending workers below %d", row, s.Workers))
				break
			}
		}
	}
	switch s.Observation {
	case "", policy.PublishedObservation:
	case policy.AdaptiveObservation:
		errs = append(errs, field.Check(len(s.KeyShares) >= len(s.Mask), "key_shares", "has %d keys; an adaptive observation needs the %d of the mask", len(s.KeyShares), len(s.Mask)))
	default:
		errs = append(errs, field.Errorf("observation", "is %q; it must be %s or %s", s.Observation, policy.AdaptiveObservation, policy.PublishedObservation))
	}
	for i, v := range s.KeyShares {
		errs = append(errs, field.Finite(fmt.Sprintf("key_shares[%d]", i), v, 0, 1))
	}
	for i, v := range s.Hidden {
		errs = append(errs, field.Whole(fmt.Sprintf("hidden[%d]", i), v, 1, mostWidth))
	}
	return errors.Join(errs...)
}

func (s *CapacitySpec) validate() error {
	err := filter.CheckInputs(s.Inputs)
	return errors.Join(
		field.Whole("units", s.Units, 1, mostWidth),
		field.Check(len(s.Inputs) > 0, "inputs", "are empty; the network must see something"),
		field.Check(err == nil, "inputs", "%v", err),
		field.Check(s.Hedge || !s.Uncertainty, "uncertainty", "is true without a hedge; the head of such a network has no numbers for it"),
	)
}

// Actions is A, the number of numbers per worker in the action.
func (s *CapacitySpec) Actions() int { return filter.Actions(s.Hedge) }

// FilterInputs are the inputs of a capacity checkpoint's network.
func (c *Checkpoint) FilterInputs() (filter.Inputs, error) {
	if n := c.Normalisation; n != nil {
		return filter.NewInputs(c.Capacity.Inputs, n.Mean, n.Scale)
	}
	return filter.NewInputs(c.Capacity.Inputs, nil, nil)
}

// Network makes the network of a capacity policy.
func (s *CapacitySpec) Network(tensors []network.Tensor) (*network.GRU, error) {
	return network.NewGRU(tensors, len(s.Inputs), s.Units, s.Actions(), s.Pool)
}

// AsMask is the spec's as a Mask.
func (s *SharesSpec) AsMask() policy.Mask { return policy.Mask{Workers: s.Workers, Keys: s.Mask} }

// Observes is what the policy observes.
func (s *SharesSpec) Observes() policy.Observation {
	o := policy.Observation{Mask: s.AsMask(), Published: s.Published}
	if s.Observation == policy.AdaptiveObservation {
		o.Trained = s.KeyShares[:len(s.Mask)]
	}
	return o
}

// size is how many inputs and parameters the described network has.
func (c *Checkpoint) size() (inputs, parameters int) {
	if c.Kind == KindCapacity {
		i, h := len(c.Capacity.Inputs), c.Capacity.Units
		parameters = (i+h+2)*3*h + (h+1)*2*c.Capacity.Actions()
		if c.Capacity.Pool {
			parameters += h * 3 * h
		}
		return i, parameters
	}
	o := c.Shares.Observes()
	inputs = o.Size()
	in := inputs
	for _, width := range append(slices.Clone(c.Shares.Hidden), 2*o.Mask.Pairs()) {
		parameters += (in + 1) * width
		in = width
	}
	return inputs, parameters
}

// Network reports whether the tensors are those of the network that the manifest
// describes, all of them finite.
func (c *Checkpoint) Network() error {
	if c.Kind == KindCapacity {
		_, err := c.Capacity.Network(c.Tensors)
		return err
	}
	_, err := c.Shares.Network(c.Tensors)
	return err
}

// Network makes the network of a shares policy.
func (s *SharesSpec) Network(tensors []network.Tensor) (*network.MLP, error) {
	o := s.Observes()
	if len(tensors) != 2*len(s.Hidden)+2 {
		return nil, fmt.Errorf("network: %d tensors for %d hidden layers; a weight and a bias for each and for the last are needed", len(tensors), len(s.Hidden))
	}
	for i, width := range s.Hidden {
		if _, err := network.Find(tensors, fmt.Sprintf("%d.bias", i), 1, width); err != nil {
			return nil, err
		}
	}
	return network.NewMLP(tensors, o.Size(), o.Mask.Pairs())
}

// FitsJob reports what keeps a checkpoint from deciding for a job of P workers; nil
// if nothing does. A shares policy fits one P, a capacity policy any.
func FitsJob(c *Checkpoint, workers int) error {
	if workers < 1 || workers > policy.MaxWorkers {
		return fmt.Errorf("a job of %d workers; from 1 to %d are possible", workers, policy.MaxWorkers)
	}
	if c.Kind == KindShares && c.Shares.Workers != workers {
		return fmt.Errorf("the checkpoint's shares policy was trained for %d workers, the job has %d: train one for %d, or use a capacity checkpoint, which fits any number",
			c.Shares.Workers, workers, workers)
	}
	return nil
}

// parseManifest reads manifest.json. A file of another format is refused by that
// alone; unknown names are errors.
func parseManifest(data []byte) (*Checkpoint, error) {
	var head struct {
		Format    *int   `json:"format"`
		CreatedBy string `json:"created_by"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, err
	}
	switch {
	case head.Format == nil:
		return nil, errors.New("format: is missing; this is no manifest of a checkpoint")
	case *head.Format != Format:
		return nil, fmt.Errorf("format: is %d, made by %q; this version reads %d: use the version that made it, or train again",
			*head.Format, head.CreatedBy, Format)
	}
	c := &Checkpoint{}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		return nil, err
	}
	return c, c.Validate()
}

package recording

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/policy"
)

// Config says how traces become recordings.
type Config struct {
	P0      float64 `yaml:"p0"`       // performance that earns reward 0
	HeldOut float64 `yaml:"held_out"` // part of the recordings that is held out from training
}

// Default holds out a tenth of the recordings.
func Default() Config {
	return Config{P0: policy.DefaultP0, HeldOut: 0.1}
}

// Validate reports every impossible value by its path.
func (c *Config) Validate() error {
	return errors.Join(field.Finite("p0", c.P0, 1e-6, 1e6), field.Finite("held_out", c.HeldOut, 0, 0.9))
}

// Data is the recordings of traces, for training the capacity action. They are in memory,
// at about 70 bytes per window and worker.
type Data struct {
	Train, HeldOut Recordings // HeldOut is empty if no recording could be spared
	Windows        int64      // in both
	Workers        []int      // each P that occurs, in the order of the traces
	Fingerprint    string     // of the recordings and of how they were split
}

// Load reads the episodes of traces, for any P, and leaves out those with fewer than least
// windows in a row. The same files and seed give the same split. watch, if not nil, is
// called with the number of windows read so far.
func Load(ctx context.Context, c Config, files []string, least int, seed uint64, watch func(windows int64)) (*Data, error) {
	d := &Data{}
	var all Recordings
	sum := sha256.New()
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("describe the recordings: %w", err)
	}
	sum.Write(text)
	sum.Write(binary.LittleEndian.AppendUint64(nil, seed))
	for s, err := range dataset.Sequences(ctx, files, least) {
		if err != nil {
			return nil, err
		}
		r, err := Of(s, c.P0)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
		d.see(s.Workers)
		d.Windows += int64(s.Windows)
		for _, v := range [][]float32{s.Counts, s.Busy, s.Queue} {
			for _, x := range v {
				sum.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(x)))
			}
		}
		if watch != nil {
			watch(d.Windows)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no episode of %d traces has %d windows in a row; collect longer ones, or make stretches shorter", len(files), least)
	}
	d.Fingerprint = fmt.Sprintf("%x", sum.Sum(nil))
	d.split(all, c.HeldOut, seed)
	return d, nil
}

func (d *Data) see(workers int) {
	for _, p := range d.Workers {
		if p == workers {
			return
		}
	}
	d.Workers = append(d.Workers, workers)
}

// split holds out at least one recording, if part is positive and there are two.
func (d *Data) split(all Recordings, part float64, seed uint64) {
	n := 0
	if part > 0 && len(all) > 1 {
		n = min(max(1, int(part*float64(len(all))+0.5)), len(all)-1)
	}
	out := map[int]bool{}
	for _, i := range rand.New(rand.NewPCG(seed, 0x5e71)).Perm(len(all))[:n] {
		out[i] = true
	}
	for i, r := range all {
		if out[i] {
			d.HeldOut = append(d.HeldOut, r)
		} else {
			d.Train = append(d.Train, r)
		}
	}
}

package replay

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/saspart/saspart/train"
)

// File is the name of a replay in a checkpoint's folder.
const File = "replay.gob"

// saved is a Buffer in its file.
type saved struct {
	Dims                             train.Dims
	Obs, Act, Next, Reward, Terminal []float32
	Priority                         []float64 // p^alpha
	At                               int
	Most                             float64
	Updates                          uint64
}

// Write writes the buffer to w.
func (b *Buffer) Write(w io.Writer) error {
	s := saved{
		Dims: b.dims, Obs: b.obs, Act: b.act, Next: b.next, Reward: b.reward, Terminal: b.terminal,
		Priority: make([]float64, b.Len()), At: b.at, Most: b.most, Updates: b.updates,
	}
	for i := range s.Priority {
		s.Priority[i] = b.tree.get(i)
	}
	return gob.NewEncoder(w).Encode(s)
}

// decode reads what was written.
func decode(data []byte, to any) error {
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(to); err != nil {
		return fmt.Errorf("read replay: %w", err)
	}
	return nil
}

// Read returns the buffer that Write has written. Other widths, more transitions than the
// configured capacity, and invalid numbers are errors.
func Read(data []byte, cfg Config, dims train.Dims) (*Buffer, error) {
	var s saved
	if err := decode(data, &s); err != nil {
		return nil, err
	}
	n := len(s.Reward)
	numbers := slices.Concat(s.Obs, s.Act, s.Next, s.Reward, s.Terminal)
	bad := slices.ContainsFunc(numbers, func(v float32) bool { return v-v != 0 }) || // NaN or infinite
		slices.ContainsFunc(append(s.Priority, s.Most), func(p float64) bool { return !(p >= 0) || math.IsInf(p, 0) })
	switch {
	case s.Dims != dims:
		return nil, fmt.Errorf("read replay: its transitions have %d observations and %d actions, where %d and %d belong: use the configuration that wrote it", s.Dims.Obs, s.Dims.Act, dims.Obs, dims.Act)
	case n > cfg.Capacity || n < cfg.Capacity && s.At != n || s.At < 0 || s.At >= cfg.Capacity:
		return nil, fmt.Errorf("read replay: %d transitions with the next one at %d, in a ring of %d: use the capacity that wrote it", n, s.At, cfg.Capacity)
	case len(s.Obs) != n*dims.Obs || len(s.Act) != n*dims.Act || len(s.Next) != n*dims.Obs || len(s.Terminal) != n || len(s.Priority) != n || bad:
		return nil, errors.New("read replay: damaged")
	}
	b := New(cfg, dims)
	b.obs, b.act, b.next, b.reward, b.terminal = s.Obs, s.Act, s.Next, s.Reward, s.Terminal
	b.at, b.most, b.updates = s.At, s.Most, s.Updates
	for i, p := range s.Priority {
		b.tree.set(i, p)
	}
	return b, nil
}

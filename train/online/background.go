package online

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/network"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/replay"
)

// BackgroundShares runs a SharesLearner on a goroutine of its own, for jobs that must
// not wait for a gradient step. They act with the newest snapshot of the policy, which
// is evaluated without the trainer.
type BackgroundShares struct {
	*background
	learner *SharesLearner
	rng     *rand.Rand // of exploration
}

// NewBackgroundShares starts the goroutine, which owns s from then on. Exploration
// draws from a generator seeded with seed.
func NewBackgroundShares(s *SharesLearner, seed uint64) (*BackgroundShares, error) {
	b, err := startBackground(s)
	return &BackgroundShares{b, s, rand.New(rand.NewPCG(seed, 0xac7))}, err
}

// Act implements SharesAgent.
func (b *BackgroundShares) Act(obs, act []float32, explore bool) {
	normal := b.rng.NormFloat64
	if !explore {
		normal = nil
	}
	b.latest().sampler.Act(obs, act, normal)
}

// Remember implements SharesAgent. It does not wait.
func (b *BackgroundShares) Remember(t replay.Transition) error {
	t.Obs, t.Act, t.Next = slices.Clone(t.Obs), slices.Clone(t.Act), slices.Clone(t.Next)
	b.later(func() error { return b.learner.Remember(t) })
	return nil
}

// BackgroundCapacity runs a CapacityLearner on a goroutine of its own, as
// BackgroundShares does.
type BackgroundCapacity struct {
	*background
	learner *CapacityLearner
}

// NewBackgroundCapacity starts the goroutine, which owns s from then on.
func NewBackgroundCapacity(s *CapacityLearner) (*BackgroundCapacity, error) {
	b, err := startBackground(s)
	return &BackgroundCapacity{b, s}, err
}

// Policy implements CapacityAgent.
func (b *BackgroundCapacity) Policy() (*checkpoint.Checkpoint, uint64) {
	s := b.latest()
	return s.checkpoint, s.version
}

// Record implements CapacityAgent. It does not wait.
func (b *BackgroundCapacity) Record(job int, w *policy.Window) error {
	b.later(func() error { return b.learner.Record(job, w) })
	return nil
}

// Cut implements CapacityAgent. It does not wait.
func (b *BackgroundCapacity) Cut(job int) {
	b.later(func() error {
		b.learner.Cut(job)
		return nil
	})
}

// foreground is a learner that learns within Learn.
type foreground interface {
	Learner
	// snapshot is the current policy. It shares no memory with the learner.
	snapshot() *checkpoint.Checkpoint
}

// background is the Learner that both have in common. Learn grants an allowance of
// updates; what the machine cannot do in time is dropped beyond maxAllowance.
type background struct {
	learner foreground               // the goroutine's
	newest  atomic.Pointer[snapshot] // of the policy
	acting  *snapshot                // the one in use; the caller's
	frozen  bool

	mu        sync.Mutex
	inbox     []func() error // windows to hand to the learner
	allowance int
	stats     []train.Stats // of updates that Learn has not reported yet
	saves     []saveRequest
	err       error
	closed    bool

	wake chan struct{} // there is something to do
	done chan struct{} // the goroutine has ended
}

// snapshot is a policy at some point of the training. It does not change.
type snapshot struct {
	checkpoint *checkpoint.Checkpoint
	version    uint64
	sampler    *network.Sampler // of the shares action; for one goroutine
}

// saveRequest is a full checkpoint to be written.
type saveRequest struct {
	folder  string
	status  []byte
	metrics map[string]float64
}

const (
	maxAllowance  = 256
	snapshotEvery = 8 // updates
)

func startBackground(l foreground) (*background, error) {
	b := &background{learner: l, wake: make(chan struct{}, 1), done: make(chan struct{})}
	if err := b.publish(); err != nil {
		return nil, err
	}
	b.acting = b.newest.Load()
	go b.run()
	return b, nil
}

// publish makes the current policy the newest snapshot.
func (b *background) publish() error {
	s := &snapshot{checkpoint: b.learner.snapshot()}
	if last := b.newest.Load(); last != nil {
		s.version = last.version + 1
	}
	err := s.checkpoint.Network()
	if spec := s.checkpoint.Shares; err == nil && spec != nil {
		o := spec.Observes()
		s.sampler, err = network.NewSampler(s.checkpoint.Tensors, o.Size(), o.Mask.Pairs())
	}
	if err != nil {
		return fmt.Errorf("the trained policy cannot act: %w", err)
	}
	b.newest.Store(s)
	return nil
}

// latest is the snapshot to act with.
func (b *background) latest() *snapshot {
	if !b.frozen {
		b.acting = b.newest.Load()
	}
	return b.acting
}

// Freeze implements Learner.
func (b *background) Freeze(on bool) { b.frozen = on }

// later leaves a call to the goroutine.
func (b *background) later(f func() error) {
	b.mu.Lock()
	b.inbox = append(b.inbox, f)
	b.mu.Unlock()
}

// Learn implements Learner. It adds to the allowance and does not wait.
func (b *background) Learn(updates int, each func(train.Stats)) error {
	b.mu.Lock()
	b.allowance = min(b.allowance+updates, max(maxAllowance, updates))
	stats, err := b.stats, b.err
	b.stats = nil
	b.mu.Unlock()
	b.signal()
	for _, s := range stats {
		each(s)
	}
	return err
}

// Save implements Learner. It saves the acting policy at once. A full checkpoint is
// written by the goroutine after the update under way, at the latest in Close.
func (b *background) Save(folder string, full bool, status []byte, metrics map[string]float64) error {
	if !full {
		c := *b.acting.checkpoint
		c.Metrics = metrics
		return checkpoint.Save(folder, &c)
	}
	b.mu.Lock()
	b.saves = append(b.saves, saveRequest{folder, status, metrics})
	b.mu.Unlock()
	b.signal()
	return nil
}

// Close implements Learner.
func (b *background) Close() error {
	b.mu.Lock()
	b.closed = true
	returned := b.err
	b.mu.Unlock()
	b.signal()
	<-b.done
	if returned != nil {
		return nil // Learn has returned it
	}
	return b.err
}

func (b *background) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// run is the goroutine.
func (b *background) run() {
	defer close(b.done)
	for unpublished := 0; ; {
		b.mu.Lock()
		inbox, saves := b.inbox, b.saves
		b.inbox, b.saves = nil, nil
		more := b.allowance > 0 && b.err == nil && !b.closed
		last := b.closed
		b.mu.Unlock()
		for _, call := range inbox {
			b.fail(call())
		}
		for _, s := range saves {
			b.fail(b.learner.Save(s.folder, true, s.status, s.metrics))
		}
		switch {
		case last && len(saves) == 0:
			return
		case more && b.update():
			if unpublished++; unpublished%snapshotEvery == 0 {
				b.fail(b.publish())
			}
		case len(saves) == 0:
			if unpublished > 0 {
				b.fail(b.publish())
				unpublished = 0
			}
			<-b.wake
		}
	}
}

// update does one update, and reports whether there was anything to learn from.
func (b *background) update() (did bool) {
	err := b.learner.Learn(1, func(s train.Stats) {
		did = true
		b.mu.Lock()
		b.stats = append(b.stats, s)
		b.allowance--
		b.mu.Unlock()
	})
	b.fail(err)
	return did
}

// fail keeps an error for the next Learn or Close.
func (b *background) fail(err error) {
	if err == nil {
		return
	}
	b.mu.Lock()
	b.err = errors.Join(b.err, err)
	b.mu.Unlock()
}

package online

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/network"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/replay"
)

// Background is a Student that learns on a goroutine of its own, at its own pace, for
// jobs that must not wait for a gradient step: they act with the newest snapshot of the
// policy, evaluated without the trainer. What it is told to learn is an allowance: of
// updates that the machine can't do in time, the oldest backlog is let go.
type Background struct {
	learns   learns    // the goroutine's own
	shares   *Shares   // the same, where it is one
	capacity *Capacity // the same, where it is one
	rng      *rand.Rand
	acting   atomic.Pointer[snapshot] // the newest
	mine     *snapshot                // the one in use, the caller's own
	frozen   bool

	mu      sync.Mutex
	inbox   []func() error // what is to be remembered
	allowed int
	did     []train.Stats
	orders  []order
	err     error
	closed  bool

	wake chan struct{} // something is there to be done
	done chan struct{} // the goroutine has ended
}

// learns is a student that learns when it is told to.
type learns interface {
	Student
	// snapshot is the policy by now, which shares no memory with the learner.
	snapshot() *checkpoint.Checkpoint
}

// snapshot is a policy that nobody changes any more.
type snapshot struct {
	checkpoint *checkpoint.Checkpoint
	version    uint64
	sampler    *network.Sampler // of a shares policy; for one goroutine
}

// order is a checkpoint to be saved.
type order struct {
	folder  string
	status  []byte
	metrics map[string]float64
}

// backlog is the largest allowance, and publishEvery the updates between two snapshots.
const (
	backlog      = 256
	publishEvery = 8
)

// NewBackground starts a student of the shares action, which then is Background's
// alone. What it draws to explore follows from seed.
func NewBackground(s *Shares, seed uint64) (*Background, error) {
	return (&Background{learns: s, shares: s, rng: rand.New(rand.NewPCG(seed, 0xac7))}).start()
}

// NewBackgroundCapacity starts a student of the capacity action in the same way.
func NewBackgroundCapacity(s *Capacity) (*Background, error) {
	return (&Background{learns: s, capacity: s}).start()
}

func (b *Background) start() (*Background, error) {
	b.wake, b.done = make(chan struct{}, 1), make(chan struct{})
	if err := b.publish(); err != nil {
		return nil, err
	}
	b.mine = b.acting.Load()
	go b.run()
	return b, nil
}

var (
	_ Student = (*Background)(nil)
	_ Pupil   = (*Background)(nil)
	_ Filter  = (*Background)(nil)
)

// publish makes the policy by now the newest snapshot.
func (b *Background) publish() error {
	s := &snapshot{checkpoint: b.learns.snapshot()}
	if last := b.acting.Load(); last != nil {
		s.version = last.version + 1
	}
	err := s.checkpoint.Network()
	if spec := s.checkpoint.Shares; err == nil && spec != nil {
		mask := policy.Mask{Workers: spec.Workers, Keys: spec.Mask}
		s.sampler, err = network.NewSampler(s.checkpoint.Tensors, policy.Observation{}.Size(spec.Workers), mask.Pairs())
	}
	if err != nil {
		return fmt.Errorf("the policy learned by now: %w", err)
	}
	b.acting.Store(s)
	return nil
}

// latest is the snapshot to act with.
func (b *Background) latest() *snapshot {
	if !b.frozen {
		b.mine = b.acting.Load()
	}
	return b.mine
}

// Act implements Actor.
func (b *Background) Act(obs, act []float32, explore bool) {
	normal := b.rng.NormFloat64
	if !explore {
		normal = nil
	}
	b.latest().sampler.Act(obs, act, normal)
}

// Newest implements Filter.
func (b *Background) Newest() (*checkpoint.Checkpoint, uint64) {
	s := b.latest()
	return s.checkpoint, s.version
}

// Freeze implements Student.
func (b *Background) Freeze(on bool) { b.frozen = on }

// Remember implements Pupil. It copies t and does not wait.
func (b *Background) Remember(t replay.Transition) error {
	clone := func(v []float32) []float32 { return append([]float32(nil), v...) }
	t.Obs, t.Act, t.Next = clone(t.Obs), clone(t.Act), clone(t.Next)
	b.later(func() error { return b.shares.Remember(t) })
	return nil
}

// Record implements Filter. It does not wait.
func (b *Background) Record(job int, w *policy.Window) error {
	b.later(func() error { return b.capacity.Record(job, w) })
	return nil
}

// Cut implements Filter. It does not wait.
func (b *Background) Cut(job int) {
	b.later(func() error {
		b.capacity.Cut(job)
		return nil
	})
}

// later leaves something to the goroutine.
func (b *Background) later(f func() error) {
	b.mu.Lock()
	b.inbox = append(b.inbox, f)
	b.mu.Unlock()
}

// Learn implements Student: it allows so many updates more, and does not wait.
func (b *Background) Learn(updates int, each func(train.Stats)) error {
	b.mu.Lock()
	b.allowed = min(b.allowed+updates, max(backlog, updates))
	did, err := b.did, b.err
	b.did = nil
	b.mu.Unlock()
	b.signal()
	for _, s := range did {
		each(s)
	}
	return err
}

// Save implements Student. The acting policy is saved at once; what learning goes on
// from when the learner comes to it, and at the latest in Close.
func (b *Background) Save(folder string, whole bool, status []byte, metrics map[string]float64) error {
	if !whole {
		c := *b.mine.checkpoint
		c.Metrics = metrics
		return checkpoint.Save(folder, &c)
	}
	b.mu.Lock()
	b.orders = append(b.orders, order{folder, status, metrics})
	b.mu.Unlock()
	b.signal()
	return nil
}

// Close implements Student.
func (b *Background) Close() error {
	b.mu.Lock()
	b.closed = true
	told := b.err
	b.mu.Unlock()
	b.signal()
	<-b.done
	if told != nil {
		return nil // Learn has returned it
	}
	return b.err
}

func (b *Background) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// run is the goroutine.
func (b *Background) run() {
	defer close(b.done)
	for since := 0; ; {
		b.mu.Lock()
		inbox, orders := b.inbox, b.orders
		b.inbox, b.orders = nil, nil
		more := b.allowed > 0 && b.err == nil && !b.closed
		last := b.closed
		b.mu.Unlock()
		for _, remember := range inbox {
			b.fail(remember())
		}
		for _, o := range orders {
			b.fail(b.learns.Save(o.folder, true, o.status, o.metrics))
		}
		switch {
		case last && len(orders) == 0:
			return
		case more && b.update():
			if since++; since%publishEvery == 0 {
				b.fail(b.publish())
			}
		case len(orders) == 0:
			if since > 0 {
				b.fail(b.publish())
				since = 0
			}
			<-b.wake
		}
	}
}

// update learns once, if there is anything to learn from.
func (b *Background) update() (did bool) {
	err := b.learns.Learn(1, func(s train.Stats) {
		did = true
		b.mu.Lock()
		b.did = append(b.did, s)
		b.allowed--
		b.mu.Unlock()
	})
	b.fail(err)
	return did
}

// fail keeps what went wrong for the next Learn or Close.
func (b *Background) fail(err error) {
	if err == nil {
		return
	}
	b.mu.Lock()
	b.err = errors.Join(b.err, err)
	b.mu.Unlock()
}

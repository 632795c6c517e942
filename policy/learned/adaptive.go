package learned

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/plan"
)

// Adaptive is the controller of a pool of shares policies, the adaptive variant of the
// published system (docs/algorithms.md, "saspartitioner"). For each window it follows the
// policy whose training keys are nearest to the job's (plan.KeyDistance). All members know
// keys by rank (SharesView), so each can take over at any time. An Adaptive must not be used
// concurrently.
type Adaptive struct {
	members []member
	ranks   int // number of ranks compared: those that every member has
	current int
	job     []float64 // scratch: the job's shares by rank
}

// member is a policy of the pool.
type member struct {
	name   string
	shares []float64 // by rank, that it was trained on
	*learnedShares
}

// PoolMember is a checkpoint of a pool, with its name for messages.
type PoolMember struct {
	Name       string
	Checkpoint *checkpoint.Checkpoint
}

// LoadPool loads every folder in dir, sorted by name, as a checkpoint or a training run. A
// folder that is neither is an error, and so is a dir without folders.
func LoadPool(dir string) ([]PoolMember, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("load pool: %w", err)
	}
	var pool []PoolMember
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			continue // not a folder; Stat follows links
		}
		folder, err := checkpoint.Find(path)
		if err != nil {
			return nil, fmt.Errorf("load pool %s: %w", dir, err)
		}
		c, err := checkpoint.Load(folder)
		if err != nil {
			return nil, fmt.Errorf("load pool %s: %w", dir, err)
		}
		pool = append(pool, PoolMember{e.Name(), c})
	}
	if len(pool) == 0 {
		return nil, fmt.Errorf("load pool %s: there is no folder in it; put checkpoints or training runs there", dir)
	}
	return pool, nil
}

// NewAdaptive returns the controller of a pool for a job of P workers. Every member must be a
// shares policy for P workers whose checkpoint has key_shares.
func NewAdaptive(pool []PoolMember, config Config, workers int) (*Adaptive, error) {
	if len(pool) == 0 {
		return nil, errors.New("pool: is empty; it needs a checkpoint at least")
	}
	a := &Adaptive{ranks: math.MaxInt}
	for _, m := range pool {
		c := m.Checkpoint
		if err := errors.Join(c.Validate(), checkpoint.FitsJob(c, workers)); err != nil {
			return nil, fmt.Errorf("pool: %s: %w", m.Name, err)
		}
		if c.Kind != checkpoint.KindShares {
			return nil, fmt.Errorf("pool: %s: is of kind %s, which fits any distribution by itself: follow it alone, or leave it out", m.Name, c.Kind)
		}
		if len(c.Shares.KeyShares) == 0 {
			return nil, fmt.Errorf("pool: %s: its manifest has no key_shares, which say when to use it: train it again, or leave it out", m.Name)
		}
		f, err := newLearnedShares(c, config)
		if err != nil {
			return nil, fmt.Errorf("pool: %s: %w", m.Name, err)
		}
		a.members = append(a.members, member{m.Name, c.Shares.KeyShares, f})
		a.ranks = min(a.ranks, len(c.Shares.KeyShares))
	}
	return a, nil
}

// Current returns the name of the member that was followed last.
func (a *Adaptive) Current() string { return a.members[a.current].name }

// Decide implements policy.Controller.
func (a *Adaptive) Decide(w *policy.Window, latest *policy.Route) (d policy.Decision) {
	ready := false
	for i := range a.members {
		// Every member sees every window, so that each knows the keys when it is chosen.
		if a.members[i].view.Observe(w) {
			ready = true
		}
	}
	if ready {
		a.current = a.nearest()
		d.Route = a.members[a.current].follow(w, latest)
	}
	d.Capacities = a.members[0].view.Capacities(w, cmp.Or(d.Route, latest)) // all members measure alike
	return d
}

// nearest returns the member whose training keys are nearest to the job's, the first of
// equals.
func (a *Adaptive) nearest() int {
	best, least := 0, math.Inf(1)
	for i := range a.members {
		m := &a.members[i]
		ranked := m.view.Ranked()
		a.job = a.job[:0]
		for _, k := range ranked[:min(a.ranks, len(ranked))] {
			a.job = append(a.job, k.Load)
		}
		if d := plan.KeyDistance(m.shares[:a.ranks], a.job); d < least {
			best, least = i, d
		}
	}
	return best
}

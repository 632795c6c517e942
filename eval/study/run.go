package study

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/saspart/saspart/collect"
	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/engine/flink"
	"github.com/saspart/saspart/eval/rate"
	"github.com/saspart/saspart/policy/checkpoint"
)

// Run is one measurement of a study.
type Run struct {
	Cell      Cell
	Contender Contender
	Seed      uint64
}

// Runs are all measurements of cells under contenders: cell by cell, seed by seed. A cell may
// be measured under some of the contenders only, and with seeds of its own.
func Runs(cells []Cell, contenders []Contender, seeds []uint64) []Run {
	var runs []Run
	for _, c := range cells {
		own := seeds
		if len(c.Seeds) > 0 {
			own = c.Seeds
		}
		for _, s := range own {
			for _, p := range contenders {
				if len(c.Partitioners) > 0 && !slices.Contains(c.Partitioners, p.Name) {
					continue
				}
				runs = append(runs, Run{c, p, s})
			}
		}
	}
	return runs
}

// Record is a measurement that was made, or what kept it from being made.
type Record struct {
	Cell        string         `json:"cell"`
	Labels      []Label        `json:"labels,omitempty"`
	Kind        Kind           `json:"kind"`
	Engine      string         `json:"engine"`
	Partitioner string         `json:"partitioner"` // the contender's name
	Seed        uint64         `json:"seed"`
	Digest      string         `json:"digest"` // of all that decides the outcome
	Took        time.Duration  `json:"took_ns"`
	Error       string         `json:"error,omitempty"`
	Throughput  *rate.Result   `json:"throughput,omitempty"`
	Stress      *rate.Stressed `json:"stress,omitempty"`
}

// Plan is how a study is run.
type Plan struct {
	Runs     []Run
	Parallel int              // measurements at a time, at least 1
	Now      func() time.Time // times routing and measurements
	Flink    *flink.Engine    // where jobs of that engine run; nil: there are none
	Store    *Store           // keeps records and has those of before; nil: nowhere
	// Each, if not nil, is called with every record, measured now or found in the store. It
	// is called from one goroutine at a time.
	Each func(r Record, found bool)
}

// Do runs what the store does not have, and returns the records in the order of the
// runs. A measurement that fails, or crashes, becomes a record that says so, and the
// rest goes on. When ctx ends, measurements under way are given up, and the records
// that there are come with ctx's error.
func (p *Plan) Do(ctx context.Context) ([]Record, error) {
	records := make([]*Record, len(p.Runs))
	if p.Store != nil {
		if err := p.Store.distinct(p.Runs); err != nil {
			return nil, err
		}
	}
	var mu sync.Mutex // of records, Each, stored and next
	var stored error
	next := 0
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		if next == len(p.Runs) || ctx.Err() != nil || stored != nil {
			return -1
		}
		next++
		return next - 1
	}
	tell := func(i int, r Record, found bool) {
		mu.Lock()
		defer mu.Unlock()
		records[i] = &r
		if p.Store != nil && !found && stored == nil {
			stored = p.Store.Put(&p.Runs[i], &r)
		}
		if p.Each != nil {
			p.Each(r, found)
		}
	}
	var workers sync.WaitGroup
	for range max(1, p.Parallel) {
		workers.Go(func() {
			for i := take(); i >= 0; i = take() {
				run := &p.Runs[i]
				job := prepare(run)
				if p.Store != nil {
					if r, ok := p.Store.Get(run, job.digest); ok {
						tell(i, r, true)
						continue
					}
				}
				if r, ok := p.one(ctx, run, job); ok {
					tell(i, r, false)
				}
			}
		})
	}
	workers.Wait()
	var out []Record
	for _, r := range records {
		if r != nil {
			out = append(out, *r)
		}
	}
	if err := ctx.Err(); err != nil {
		return out, fmt.Errorf("interrupted after %d of %d measurements: %w", len(out), len(p.Runs), err)
	}
	return out, stored
}

// prepared is a run whose experiment and checkpoint are read.
type prepared struct {
	experiment *config.Experiment
	checkpoint *checkpoint.Checkpoint
	digest     string
	err        error
}

func prepare(r *Run) prepared {
	var p prepared
	if p.experiment, p.err = r.Cell.Experiment(r.Contender, r.Seed); p.err == nil {
		p.checkpoint, p.err = r.Contender.open()
	}
	if p.err == nil && p.checkpoint != nil {
		p.err = checkpoint.FitsJob(p.checkpoint, p.experiment.Job.Workers)
	}
	if p.err == nil {
		p.digest, p.err = digest(r, &p)
	}
	return p
}

// digest is the same for measurements that must have the same result.
func digest(r *Run, p *prepared) (string, error) {
	e := *p.experiment
	// Settings without influence on the measurement are left out, so that another default
	// or name causes no new measurement.
	e.Name, e.Description, e.Collect = "", "", collect.Config{}
	e.Partitioner = e.Partitioner.Own()
	text, err := yaml.Marshal(map[string]any{
		"experiment": e, "kind": r.Cell.Kind, "rate": r.Cell.Rate, "stress": r.Cell.Stress, "engine": r.Cell.Engine,
	})
	if err != nil {
		return "", err
	}
	if p.checkpoint != nil {
		text = append(text, p.checkpoint.Digest...)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12]), nil
}

// one makes a measurement; ok is false when ctx ended before it did.
func (p *Plan) one(ctx context.Context, run *Run, job prepared) (r Record, ok bool) {
	c := &run.Cell
	r = Record{
		Cell: c.Name, Labels: c.Labels, Kind: c.Kind, Engine: c.Engine,
		Partitioner: run.Contender.Name, Seed: run.Seed, Digest: job.digest,
	}
	begin := p.Now()
	err := job.err
	if err == nil {
		err = guarded(func() (err error) {
			s := rate.Subject{Experiment: job.experiment, Engine: c.Engine, Now: p.Now, Flink: p.Flink}
			if c.Kind == Stress {
				r.Stress, err = rate.Stress(ctx, s, c.Stress, heapInUse, nil)
			} else {
				r.Throughput, err = rate.Measure(ctx, s, job.checkpoint, c.Rate, nil)
			}
			return err
		})
	}
	if err != nil && errors.Is(err, context.Canceled) {
		return r, false
	}
	if err != nil {
		r.Error, r.Throughput, r.Stress = err.Error(), nil, nil
	}
	r.Took = p.Now().Sub(begin)
	return r, true
}

// guarded turns a crash of f into an error.
func guarded(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			buffer := make([]byte, 2048)
			err = fmt.Errorf("crashed: %v\n%s", v, buffer[:runtime.Stack(buffer, false)])
		}
	}()
	return f()
}

// heapInUse is the memory that live and dead objects of the process take.
func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// Marshal is the record as it is kept.
func (r *Record) Marshal() ([]byte, error) {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return nil, err
	}
	return append(text, '\n'), nil
}

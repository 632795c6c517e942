package online

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"time"

	"github.com/saspart/saspart/runlog"
	"github.com/saspart/saspart/train"
)

// Loop is a training on running jobs.
type Loop struct {
	Config  Config
	Learner Learner
	Envs    []Env // explored: each gives a window per round, in this order
	// Judge is what evaluations run on. It may be one of Envs: then they interrupt its
	// exploring.
	EvalEnv Env
	Dir     string // folder of the checkpoints
	Status  *Status
	Now     func() time.Time

	// Record, if not nil, takes a row of metrics after so many windows, by the names
	// of train.OnlineMetrics.
	Record func(windows uint64, values map[string]float64) error
	// Watch, if not nil, is called after each round.
	Watch func(p Progress)
	// Evaluated, if not nil, is called after each evaluation, with where the policy
	// has put the hot keys.
	Evaluated func(e Evaluation, routes RouteMap) error
}

// Progress is how things are.
type Progress struct {
	Windows, Updates uint64
	Imbalance        float64 // exploring, of the last window that could be measured; 0 before
	Return           float64 // of the last whole episode; NaN before
	Alpha            float64 // weight of the entropy in the last update
	Last, Best       *Evaluation
}

// Outcome is what a training came to.
type Outcome struct {
	Reason  Reason       `json:"reason"`
	Windows uint64       `json:"windows"` // explored
	Updates uint64       `json:"updates"`
	Seconds float64      `json:"seconds"`
	Last    *Evaluation  `json:"last,omitempty"`
	Best    *Evaluation  `json:"best,omitempty"`
	Reached []Evaluation `json:"reached,omitempty"` // the first evaluation no window of which was above each of Levels
	Returns uint64       `json:"returns"`           // to the last good route
	Limited uint64       `json:"limited"`           // windows in which the route could not move as far as it was to
	Mixed   uint64       `json:"mixed"`             // windows that taught nothing: of two routes, or with workers missing
}

// Levels are the imbalances of which a training tells when it reached them.
func Levels() []float64 { return []float64{0.1, 0.05, 0.04, 0.02, 0.01} }

// run is a Loop under way.
type run struct {
	*Loop
	*Status
	rules
	began  time.Time
	before float64       // seconds before began
	saved  uint64        // windows in the newest checkpoint
	long   time.Duration // that a window took at most
	mean   train.Averages
	alpha  float64
	row    row
	at     rate
}

// rate is where the last row of metrics was written.
type rate struct {
	updates uint64
	seconds float64
}

// Run trains until a stop rule ends it, the source ends, something fails or ctx is
// cancelled; in every case it saves first, unless a job could not be started or put
// where it was: then what was saved before stays. When ctx is cancelled it ends the
// window and returns an error that is context.Canceled. A failure is an error that says
// what happened in which window. Jobs stay open.
//
// On jobs in closed form and with a student that does not run in the background, a run
// that was interrupted or killed and resumed ends with the same policy, bit for bit,
// as one that was not.
func (l *Loop) Run(ctx context.Context) (Outcome, error) {
	if l.Status == nil {
		l.Status = &Status{}
	}
	r := &run{Loop: l, Status: l.Status, began: l.Now(), before: l.Status.Seconds, saved: l.Status.Windows, alpha: math.NaN()}
	r.rules = rules{cfg: &l.Config, best: l.Status.Best, since: l.Status.Since}
	r.at = rate{r.Updates, r.Seconds}
	if err := r.begin(); err != nil {
		r.Reason = Failed
		return r.Outcome, err
	}
	var err error
	var why Reason
	if r.Last == nil || passed(r.Last.Windows, r.Windows, r.Config.Evaluate.Every) {
		_, err = r.evaluate(ctx) // what it starts from, or one that was broken off
		err = errors.Join(err, r.flush())
	}
	for err == nil && why == "" {
		if why = r.spent(r.Windows, r.took()); why != "" {
			break
		}
		if err = ctx.Err(); err == nil {
			why, err = r.round(ctx)
		}
	}
	if err == nil && (why == Windows || why == Time) && r.Last.Windows < r.Windows {
		_, err = r.evaluate(ctx) // what it all came to
	}
	if errors.Is(err, errSpent) {
		why, err = Time, nil
	}
	if err == nil && why == Time && r.Windows == 0 {
		err = fmt.Errorf("in %v there was no window to learn from", r.Config.Time)
	}
	switch {
	case err != nil && errors.Is(err, ctx.Err()):
		why = Interrupted
		err = fmt.Errorf("interrupted after %d windows; --resume goes on from here: %w", r.Windows, ctx.Err())
	case err != nil:
		why = Failed
	}
	r.Reason = why
	r.Seconds = r.took().Seconds()
	err = errors.Join(err, r.flush())
	if r.Windows > r.saved || r.saved == 0 || why == Failed {
		saving := r.save(Last, true)
		if saving != nil {
			saving = fmt.Errorf("%w; what was saved before stays", saving)
		}
		err = errors.Join(err, saving)
	}
	return r.Outcome, err
}

func (r *run) took() time.Duration {
	return time.Duration(r.before*float64(time.Second)) + r.Now().Sub(r.began)
}

// errSpent says that the time was used up before there was a window.
var errSpent = errors.New("the time is used up")

// step takes jobs through a window, which is not broken off: only of one that comes much
// later than those before, as none may come, the time budget ends the wait.
func (r *run) step(ctx context.Context, envs []Env, explore bool) ([]StepResult, error) {
	ctx = context.WithoutCancel(ctx)
	if most := r.Config.Time; most > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, max(0, most-r.took())+2*r.long+time.Second)
		defer cancel()
	}
	began := r.Now()
	measured, err := stepAll(ctx, envs, explore)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		return nil, errSpent
	}
	r.long = max(r.long, r.Now().Sub(began))
	return measured, err
}

// begin puts the jobs where the status left them, or starts them. An evaluation
// begins its own.
func (r *run) begin() error {
	for i, e := range r.Envs {
		begin := e.Reset
		if i < len(r.Jobs) && len(r.Jobs[i]) > 0 {
			begin = func() error { return e.Load(r.Jobs[i]) }
		}
		if err := begin(); err != nil {
			return fmt.Errorf("job %d: %w", i, err)
		}
	}
	return nil
}

// round takes every job through a window, which is not broken off, and learns from
// them.
func (r *run) round(ctx context.Context) (Reason, error) {
	before := r.Windows
	measured, err := r.step(ctx, r.Envs, true)
	if errors.Is(err, io.EOF) {
		return Ended, nil
	}
	if err != nil {
		return "", fmt.Errorf("window %d: %w", r.Windows+1, err)
	}
	for i, m := range measured {
		r.Windows++
		if err := r.count(m); err != nil {
			return "", fmt.Errorf("window %d, job %d: %w", r.Windows, i, err)
		}
	}
	updates := 0
	if r.Windows > uint64(r.Config.LearningStarts) {
		updates = r.Config.UpdatesPerWindow * len(measured)
	}
	if err := r.Learner.Learn(updates, r.learned); err != nil {
		return "", fmt.Errorf("after window %d: %w", r.Windows, err)
	}
	why := Reason("")
	if passed(before, r.Windows, r.Config.Evaluate.Every) {
		if why, err = r.evaluate(ctx); err != nil {
			return why, err
		}
	}
	r.Seconds = r.took().Seconds()
	if passed(before, r.Windows, r.Config.LogEvery) || r.row.rollout != nil {
		if err := r.flush(); err != nil {
			return why, err
		}
	}
	if passed(before, r.Windows, r.Config.CheckpointEvery) {
		if err := r.save(Last, true); err != nil {
			return why, err
		}
	}
	if r.Watch != nil {
		r.Watch(Progress{
			Windows: r.Windows, Updates: r.Updates, Imbalance: r.row.latest, Return: r.lastReturn(), Alpha: r.alpha,
			Last: r.Last, Best: r.rules.best,
		})
	}
	return why, nil
}

// passed tells whether a multiple of every lies in (before, now].
func passed(before, now uint64, every int) bool {
	return before/uint64(every) != now/uint64(every)
}

// learned counts an update.
func (r *run) learned(s train.Stats) {
	r.Updates = s.Update
	r.alpha = s.Alpha
	r.mean.Add(s)
}

// evaluate runs an episode of the most likely actions. One that is interrupted does
// not count; the run begins with it when it is resumed.
func (r *run) evaluate(ctx context.Context) (Reason, error) {
	e, err := r.episode(ctx)
	if errors.Is(err, io.EOF) {
		return Ended, nil
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return "", fmt.Errorf("evaluation after window %d: %w", r.Windows, err)
	}
	best, why := r.rules.evaluated(e)
	r.Last, r.Best, r.Since = &e, r.rules.best, r.rules.since
	for len(r.Reached) < len(Levels()) && e.Worst <= Levels()[len(r.Reached)] {
		r.Reached = append(r.Reached, e)
	}
	r.row.rollout = &e
	if r.Loop.Evaluated != nil {
		if err := r.Loop.Evaluated(e, r.EvalEnv.Routes()); err != nil {
			return why, err
		}
	}
	if best {
		if err := r.save(Best, false); err != nil {
			return why, err
		}
	}
	return why, nil
}

func (r *run) episode(ctx context.Context) (e Evaluation, err error) {
	r.Learner.Freeze(true)
	defer r.Learner.Freeze(false)
	if err := r.EvalEnv.Reset(); err != nil {
		return e, err
	}
	n, settle := 0, r.Config.Evaluate.Settle
	// A job of which windows are mixed gets as many again to be judged by.
	for i := 0; n < r.Config.Evaluate.Windows && i < settle+2*r.Config.Evaluate.Windows; i++ {
		if r.Windows == 0 && r.spent(0, r.took()) == Time {
			return e, errSpent // with what it started from, no evaluation is of use
		}
		m, err := r.step(ctx, []Env{r.EvalEnv}, false)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return e, err
		}
		if i < settle || !m[0].Clean {
			continue
		}
		if err := m[0].check(); err != nil {
			return e, err
		}
		n++
		e.Imbalance += m[0].Imbalance
		e.Reward += m[0].Reward
		e.Worst = max(e.Worst, m[0].Imbalance)
	}
	if n == 0 {
		return e, errors.New("no window of the episode could be judged: in none was one route in force and every worker there")
	}
	e.Imbalance /= float64(n)
	e.Reward /= float64(n)
	e.Windows, e.Updates, e.Seconds = r.Windows, r.Updates, r.took().Seconds()
	return e, nil
}

// save writes a checkpoint, whole with all that resuming needs.
func (r *run) save(name string, whole bool) error {
	var status []byte
	if whole {
		r.Seconds = r.took().Seconds()
		var err error
		if status, err = r.status(); err != nil {
			return err
		}
		r.saved = r.Windows
	}
	metrics := map[string]float64{"windows": float64(r.Windows), "updates": float64(r.Updates)}
	if r.Last != nil {
		metrics[runlog.Imbalance], metrics[runlog.WorstImbalance] = r.Last.Imbalance, r.Last.Worst
	}
	return r.Learner.Save(filepath.Join(r.Dir, name), whole, status, metrics)
}

// Names of the two checkpoints that a training keeps in its folder, as offline.
const (
	Last = train.Last
	Best = train.Best
)

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

// Training is a training on running jobs.
type Training struct {
	Config  Config
	Learner Learner
	Envs    []Env // explored: each gives a window per round, in this order
	// EvalEnv is what evaluations run on. It may be one of Envs, whose exploration they
	// then interrupt.
	EvalEnv Env
	Dir     string  // folder of the checkpoints
	Status  *Status // to resume from; nil: from scratch
	Now     func() time.Time

	// Record, if not nil, is called with rows of metrics, by the names of
	// train.OnlineMetrics.
	Record func(windows uint64, values map[string]float64) error
	// Watch, if not nil, is called after each round.
	Watch func(p Progress)
	// Evaluated, if not nil, is called after each evaluation. routes is where the policy
	// sends the hot keys.
	Evaluated func(e Evaluation, routes RouteMap) error
}

// Progress is the progress of a training.
type Progress struct {
	Windows, Updates uint64
	Imbalance        float64 // of the last clean window while exploring; 0 before the first
	Return           float64 // of the last whole episode; NaN before the first
	Alpha            float64 // weight of the entropy in the last update
	Last, Best       *Evaluation
}

// Outcome is the result of a training.
type Outcome struct {
	Reason  Reason       `json:"reason"`
	Windows uint64       `json:"windows"` // explored
	Updates uint64       `json:"updates"`
	Seconds float64      `json:"seconds"`
	Last    *Evaluation  `json:"last,omitempty"`
	Best    *Evaluation  `json:"best,omitempty"`
	Reached []Evaluation `json:"reached,omitempty"` // for each of Levels, the first evaluation whose worst window was not above it
	Returns uint64       `json:"returns"`           // to the last good route
	Limited uint64       `json:"limited"`           // windows whose step was shortened
	Mixed   uint64       `json:"mixed"`             // windows that were not clean
}

// Levels are the imbalances for which Outcome holds when they were reached.
func Levels() []float64 { return []float64{0.1, 0.05, 0.04, 0.02, 0.01} }

// run is a Training under way.
type run struct {
	*Training
	*Status
	began   time.Time
	before  float64       // seconds before began
	saved   uint64        // windows in the newest checkpoint
	longest time.Duration // of the windows so far
	mean    train.Averages
	alpha   float64
	row     row
	lastRow progressMark
}

// progressMark is the progress when the last row of metrics was written.
type progressMark struct {
	updates uint64
	seconds float64
}

// Run trains until a stop rule ends it, the source ends, something fails or ctx is
// cancelled. It then saves, unless a job could not be started or restored: the last
// checkpoint stays as it was. If ctx is cancelled, Run finishes the window and returns an
// error that wraps context.Canceled. The error of a failure names the window. Jobs stay
// open.
//
// On jobs in closed form, with a learner in the foreground, resuming is exact: a run that was
// interrupted or killed gives the same policy, bit for bit, as an uninterrupted run.
func (t *Training) Run(ctx context.Context) (Outcome, error) {
	if t.Status == nil {
		t.Status = &Status{}
	}
	r := &run{Training: t, Status: t.Status, began: t.Now(), before: t.Status.Seconds, saved: t.Status.Windows, alpha: math.NaN(), mean: train.Averages{}}
	r.lastRow = progressMark{r.Updates, r.Seconds}
	if err := r.begin(); err != nil {
		r.Reason = Failed
		return r.Outcome, err
	}
	why, err := r.train(ctx)
	switch {
	case errors.Is(err, errOutOfTime):
		why, err = Time, nil
		if r.Windows == 0 {
			err = fmt.Errorf("in %v there was no window to learn from", r.Config.Time)
			why = Failed
		}
	case err != nil && errors.Is(err, ctx.Err()):
		why = Interrupted
		err = fmt.Errorf("interrupted after %d windows; --resume continues from here: %w", r.Windows, ctx.Err())
	case err != nil:
		why = Failed
	}
	r.Reason = why
	r.Seconds = r.took().Seconds()
	err = errors.Join(err, r.flush())
	if r.Windows > r.saved || r.saved == 0 || why == Failed {
		saving := r.save(Last, true)
		if saving != nil {
			saving = fmt.Errorf("%w; the last checkpoint stays as it was", saving)
		}
		err = errors.Join(err, saving)
	}
	return r.Outcome, err
}

// train evaluates and explores until there is a reason to stop.
func (r *run) train(ctx context.Context) (why Reason, err error) {
	if r.Last == nil || passed(r.Last.Windows, r.Windows, r.Config.Evaluate.Every) {
		_, err = r.evaluate(ctx) // at the start, or again after an interruption
		err = errors.Join(err, r.flush())
	}
	for err == nil && why == "" {
		if why = r.Config.spent(r.Windows, r.took()); why != "" {
			break
		}
		if err = ctx.Err(); err == nil {
			why, err = r.round(ctx)
		}
	}
	if err != nil || why != Windows && why != Time {
		return why, err
	}
	if r.Last.Windows < r.Windows {
		_, err = r.evaluate(ctx) // the final policy
	}
	if err == nil && why == Time && r.Windows == 0 {
		err = errOutOfTime
	}
	return why, err
}

func (r *run) took() time.Duration {
	return time.Duration(r.before*float64(time.Second)) + r.Now().Sub(r.began)
}

// errOutOfTime says that the time was used up while there was no window.
var errOutOfTime = errors.New("the time is used up")

// step runs envs for one window. Cancelling ctx does not interrupt it. The time budget
// does, but only once the window takes much longer than those before: there may be none.
func (r *run) step(ctx context.Context, envs []Env, explore bool) ([]StepResult, error) {
	ctx = context.WithoutCancel(ctx)
	if most := r.Config.Time; most > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, max(0, most-r.took())+2*r.longest+time.Second)
		defer cancel()
	}
	began := r.Now()
	results, err := stepAll(ctx, envs, explore)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		return nil, errOutOfTime
	}
	r.longest = max(r.longest, r.Now().Sub(began))
	return results, err
}

// begin restores the jobs, or starts them. An evaluation resets its own.
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

// round runs every job for one window and learns.
func (r *run) round(ctx context.Context) (Reason, error) {
	before := r.Windows
	results, err := r.step(ctx, r.Envs, true)
	if errors.Is(err, io.EOF) {
		return Ended, nil
	}
	if err != nil {
		return "", fmt.Errorf("window %d: %w", r.Windows+1, err)
	}
	for i, result := range results {
		r.Windows++
		if err := r.count(result); err != nil {
			return "", fmt.Errorf("window %d, job %d: %w", r.Windows, i, err)
		}
	}
	updates := 0
	if r.Windows > uint64(r.Config.LearningStarts) {
		updates = r.Config.UpdatesPerWindow * len(results)
	}
	if err := r.Learner.Learn(updates, r.updated); err != nil {
		return "", fmt.Errorf("after window %d: %w", r.Windows, err)
	}
	why := Reason("")
	if passed(before, r.Windows, r.Config.Evaluate.Every) {
		if why, err = r.evaluate(ctx); err != nil {
			return why, err
		}
	}
	r.Seconds = r.took().Seconds()
	if passed(before, r.Windows, r.Config.LogEvery) || r.row.evaluation != nil {
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
			Last: r.Last, Best: r.Best,
		})
	}
	return why, nil
}

// passed reports whether a multiple of every lies in (before, now].
func passed(before, now uint64, every int) bool {
	return before/uint64(every) != now/uint64(every)
}

// updated counts an update.
func (r *run) updated(s train.Stats) {
	r.Updates = s.Update
	if alpha, ok := s.Values[runlog.Alpha]; ok {
		r.alpha = alpha
	}
	r.mean.Add(s)
}

// evaluate runs an episode of the most likely actions. An interrupted one does not
// count, and a resumed run starts with it.
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
	best, why := r.evaluated(&r.Config, e)
	for len(r.Reached) < len(Levels()) && e.Worst <= Levels()[len(r.Reached)] {
		r.Reached = append(r.Reached, e)
	}
	r.row.evaluation = &e
	if r.Evaluated != nil {
		if err := r.Evaluated(e, r.EvalEnv.Routes()); err != nil {
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
	// Mixed windows are made up for, up to twice the length.
	for i := 0; n < r.Config.Evaluate.Windows && i < settle+2*r.Config.Evaluate.Windows; i++ {
		if r.Windows == 0 && r.Config.spent(0, r.took()) == Time {
			return e, errOutOfTime // an evaluation of the initial policy alone is of no use
		}
		results, err := r.step(ctx, []Env{r.EvalEnv}, false)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return e, err
		}
		result := results[0]
		if i < settle || !result.Clean {
			continue
		}
		if err := result.check(); err != nil {
			return e, err
		}
		n++
		e.Imbalance += result.Imbalance
		e.Reward += result.Reward
		e.Worst = max(e.Worst, result.Imbalance)
	}
	if n == 0 {
		return e, errors.New("no window of the episode is usable: in none of them was one route in force and every worker measured")
	}
	e.Imbalance /= float64(n)
	e.Reward /= float64(n)
	e.Windows, e.Updates, e.Seconds = r.Windows, r.Updates, r.took().Seconds()
	return e, nil
}

// save writes a checkpoint. A full one holds everything that resuming needs.
func (r *run) save(name string, full bool) error {
	var status []byte
	if full {
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
	return r.Learner.Save(filepath.Join(r.Dir, name), full, status, metrics)
}

// Names of the two checkpoints that a training keeps in its folder, as offline.
const (
	Last = train.Last
	Best = train.Best
)

package dataset

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
)

// Ranking is the time for which a key keeps its rank. The shares action identifies keys by
// rank.
type Ranking string

const (
	// ByEpisode ranks keys by their records in the whole episode: ranks are free of
	// noise, and right where the distribution stands still for an episode.
	ByEpisode Ranking = "episode"
	// ByWindow ranks keys anew in every window, by what a controller has seen when it
	// decides.
	ByWindow Ranking = "window"
)

// TransitionConfig configures how traces become transitions of the `shares` action.
type TransitionConfig struct {
	// HotKeys is how many keys are ranked, heaviest first; the mask takes the true hot ones of
	// them. auto is at most as many as the traces tell the workers of.
	HotKeys policy.HotKeys    `yaml:"hot_keys"`
	Mask    policy.MaskConfig `yaml:"mask"` // how the mask is made from the traces, where the caller names none
	Rank    Ranking           `yaml:"rank"` // episode or window
	// Observation is adaptive or published. What an adaptive one says of workers and keys is
	// estimated from the windows of the episode, as a controller estimates it.
	Observation policy.ObservationForm `yaml:"observation"`
	// Published takes the published system's conventions, faults included: actions in [0, 1],
	// the last window of an episode terminal, and its observation of equal counts.
	Published bool    `yaml:"published"`
	P0        float64 `yaml:"p0"`         // performance that earns reward 0
	Inside    float64 `yaml:"inside"`     // least part of the masked keys' records that must lie within the mask
	DropMixed bool    `yaml:"drop_mixed"` // leave out windows in which the route changed
	HeldOut   float64 `yaml:"held_out"`   // part of the episodes kept from training
	MemoryMB  int     `yaml:"memory_mb"`  // transitions that take more are kept in a file
}

// DefaultTransitions has as many hot keys as are needed, ranked per episode, and holds out a
// tenth of the episodes.
func DefaultTransitions() TransitionConfig {
	return TransitionConfig{
		Mask: policy.DefaultMask(), Rank: ByEpisode, Observation: policy.AdaptiveObservation, P0: policy.DefaultP0,
		Inside: 0.8, HeldOut: 0.1, MemoryMB: 1024,
	}
}

// Validate reports every impossible value by its path.
func (c *TransitionConfig) Validate() error {
	return errors.Join(
		field.Check(c.Rank == ByEpisode || c.Rank == ByWindow, "rank", "is %q; it must be %s or %s", c.Rank, ByEpisode, ByWindow),
		c.Observation.Validate(c.Published),
		c.HotKeys.Validate(),
		field.In("mask", c.Mask.Validate()),
		field.Finite("p0", c.P0, 1e-6, 1e6),
		field.Finite("inside", c.Inside, 0, 1),
		field.Finite("held_out", c.HeldOut, 0, 0.9),
		field.Whole("memory_mb", c.MemoryMB, 0, 1<<24),
	)
}

// Load configures the loading of transitions. Do loads them.
type Load struct {
	Config TransitionConfig
	Files  []string // traces (Glob); the result does not depend on their order
	// For is the policy that is to learn from them, for instance that of a checkpoint: its mask
	// and its observation count. nil: a new one, whose mask follows from the traces.
	For  *checkpoint.SharesSpec
	Seed uint64 // of the split into training and held-out episodes
	Dir  string // where the file is that holds what memory may not; "" is the system's folder for such files
	// Watch, if not nil, is called after every window read with the number read so
	// far and that of all, 0 until it is known: every trace is read twice.
	Watch func(read, all int64)
}

// Transitions is what traces hold for learning off-line (docs/algorithms.md,
// "Offline data"). A transition is two windows of an episode, one right after the other.
// The observation and the next one, [O], are policy.Observation of the two windows. The action, [A], is policy.Shares.Action: the workers of the second window's hot
// records. The reward is policy.Reward of the second window. The last transition of an
// episode is truncated.
//
// Actions lie in [-1, 1], the policy's own space: twice the environment's value less 1. As
// published they lie in [0, 1], so a policy that copies them acts differently in a job.
// Episodes are cut off and do not end, so no transition is terminal; as published, the last
// one of each episode is.
//
// All transitions have one mask: the caller's, else policy.NewMask of the mean shares of
// the ranks over all windows. The partitioner that collected may have used another mask.
// What its keys did outside this one is not in the action; a transition with too much
// outside (Config.Inside) is left out.
type Transitions struct {
	Workers int
	Mask    policy.Mask
	// Spec is what a policy of these transitions is made for, without its network. KeyShares are
	// the mean shares of the records of each rank, which the mask was made from.
	Spec checkpoint.SharesSpec
	// Past is at most the sum of the squared shares of the keys that are not hot, and Needed how
	// many would be by policy.AutoHotKeys.
	Past    float64
	Needed  int
	Train   *Store
	HeldOut *Store // empty where no episode could be spared
	Windows int64  // read
	Skipped Skipped
	Stats   Stats // of Train, before any normalisation

	Episodes, HeldOutEpisodes int
}

// Skipped counts pairs of successive windows that made no transition.
type Skipped struct {
	Gap      int `json:"gap"`      // a window between them is missing
	Missing  int `json:"missing"`  // a worker did not report in the second, so that its reward is unknown
	Mixed    int `json:"mixed"`    // the route changed in the second (Config.DropMixed)
	Few      int `json:"few"`      // fewer hot keys than the mask has
	Untold   int `json:"untold"`   // the trace does not tell where a masked key's records went
	Outside  int `json:"outside"`  // too many records of masked keys went to workers outside the mask
	Episodes int `json:"episodes"` // episodes of a single window
}

// Total is the number of pairs left out.
func (s Skipped) Total() int {
	return s.Gap + s.Missing + s.Mixed + s.Few + s.Untold + s.Outside
}

// String lists the reasons and how many pairs were left out for each.
func (s Skipped) String() string {
	text := ""
	for _, r := range []struct {
		n   int
		why string
	}{
		{s.Gap, "next to a missing window"},
		{s.Missing, "with a worker that did not report"},
		{s.Mixed, "in which the route changed"},
		{s.Few, "with fewer hot keys than the mask has"},
		{s.Untold, "that do not tell where a hot key went, as under partitioners that do not split it"},
		{s.Outside, "with hot keys at workers outside the mask"},
	} {
		if r.n > 0 {
			if text != "" {
				text += ", "
			}
			text += fmt.Sprintf("%d %s", r.n, r.why)
		}
	}
	return text
}

// remedy suggests what would avoid most of the skipped pairs.
func (s Skipped) remedy() string {
	if s.Outside > s.Total()/2 {
		return "give mask and hot_keys the values that they were collected with, or allow more outside (inside)"
	}
	return "collect more, with behaviours that split hot keys, such as dalton-offline"
}

// Glob lists the traces that patterns name (path/filepath.Match), sorted, each
// once. A pattern that names none is an error.
func Glob(patterns ...string) ([]string, error) {
	var files []string
	for _, p := range patterns {
		found, err := filepath.Glob(p)
		if err != nil {
			return nil, fmt.Errorf("traces %q: %w", p, err)
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("no trace matches %q; make some with `saspart collect`", p)
		}
		files = append(files, found...)
	}
	return distinct(files), nil
}

// distinct are the files, sorted, each once.
func distinct(files []string) []string {
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = filepath.Clean(f)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Do reads the traces twice: first for shares, ranks and sizes, then for the transitions.
// Memory is bounded by the configuration and one batch of a trace, however large the traces
// are. The result must be closed. Equal files, configuration and seed give equal results.
//
// Errors name the trace: one that is missing, empty or corrupt, that has another P than the
// others, or that gives no transition. Of a killed run, the complete windows are used.
func (l Load) Do(ctx context.Context) (*Transitions, error) {
	if err := l.Config.Validate(); err != nil {
		return nil, fmt.Errorf("transitions: %w", err)
	}
	s := &survey{config: &l.Config, watch: l.Watch}
	if l.For != nil {
		given := l.For.AsMask()
		s.given = &given
	}
	if err := s.read(ctx, distinct(l.Files)); err != nil {
		return nil, err
	}
	s.choose()
	mask, err := s.mask()
	if err != nil {
		return nil, err
	}
	t := &Transitions{
		Workers: s.workers, Mask: mask, Windows: s.windows, Episodes: len(s.episodes), Past: s.past, Needed: s.needed,
		Spec: checkpoint.SharesSpec{
			Workers: s.workers, Mask: mask.Keys, HotKeys: max(s.hot, len(mask.Keys)), KeyShares: s.meanShares(),
			Observation: l.Config.Observation, Published: l.Config.Published,
		},
	}
	if l.For != nil {
		t.Spec = *l.For
	}
	out := s.split(l.Config.HeldOut, l.Seed)
	for _, held := range out {
		if held {
			t.HeldOutEpisodes++
		}
	}
	if err := t.openStores(s, out, &l); err != nil {
		return nil, err
	}
	if err := l.fill(ctx, s, t, out); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// fill reads the traces again, for their transitions.
func (l Load) fill(ctx context.Context, s *survey, t *Transitions, out []bool) error {
	b := newBuilder(&l.Config, s, t, out)
	if err := b.read(ctx, l.Watch); err != nil {
		return err
	}
	t.Skipped, t.Stats = b.skipped, b.stats.result()
	if t.Train.Len() == 0 {
		return fmt.Errorf("%s: no transition to train on in %d windows: %s; %s", describe(s.files), t.Windows, noneBecause(t), t.Skipped.remedy())
	}
	return nil
}

func noneBecause(t *Transitions) string {
	if t.Skipped.Total() == 0 {
		return "no episode to train on has two windows"
	}
	return "all were left out: " + t.Skipped.String()
}

// describe names the traces.
func describe(files []surveyed) string {
	if len(files) == 1 {
		return "trace " + files[0].path
	}
	return fmt.Sprintf("traces %s and %d more", files[0].path, len(files)-1)
}

// openStores opens stores that are large enough for all pairs of windows.
func (t *Transitions) openStores(s *survey, out []bool, l *Load) (err error) {
	rows := [2]int{} // training, held out
	for i, e := range s.episodes {
		if out[i] {
			rows[1] += e.windows - 1
		} else {
			rows[0] += e.windows - 1
		}
	}
	o := t.Spec.Observes()
	w := Widths{Obs: o.Size(), Act: t.Mask.Pairs()}
	spill := int64(rows[0]+rows[1])*int64(w.bytes()) > int64(l.Config.MemoryMB)<<20
	open := func(rows int) (*Store, error) {
		if spill {
			return newSpilled(w, l.Dir)
		}
		return newStore(w, rows), nil
	}
	if t.Train, err = open(rows[0]); err != nil {
		return err
	}
	if t.HeldOut, err = open(rows[1]); err != nil {
		return errors.Join(err, t.Train.Close())
	}
	return nil
}

// Close removes the files of stores that did not fit in memory.
func (t *Transitions) Close() error { return errors.Join(t.Train.Close(), t.HeldOut.Close()) }

// Normalise maps every observation of both stores by n, the result of Stats.Normal. A
// policy that is trained on them needs the same mapping wherever it acts. Normalise may be
// called once.
func (t *Transitions) Normalise(n Normal) error {
	return errors.Join(t.Train.Normalise(n), t.HeldOut.Normalise(n))
}

// split draws the episodes to hold out: the given part of all, rounded; at least one unless
// the part is 0, and never all.
func (s *survey) split(part float64, seed uint64) (out []bool) {
	n := len(s.episodes)
	out = make([]bool, n)
	held := min(int(part*float64(n)+0.5), n-1)
	if part > 0 && n > 1 {
		held = max(held, 1)
	}
	for _, i := range rand.New(rand.NewPCG(seed, 0x68656c64)).Perm(n)[:held] {
		out[i] = true
	}
	return out
}

// tempFile opens a file that disappears when it is closed or the process ends, even if it is
// killed.
func tempFile(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "saspart-transitions-*")
	if err != nil {
		return nil, fmt.Errorf("make room for transitions on disk: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("make room for transitions on disk: %w", err), f.Close())
	}
	return f, nil
}

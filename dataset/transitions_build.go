package dataset

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/learned"
)

// builder reads the traces the second time. It makes transitions of pairs of windows and
// puts them into the store of their episode.
type builder struct {
	config  *TransitionConfig
	survey  *survey
	out     []bool // by episode: held out
	into    *Transitions
	view    *learned.SharesView // of the episode
	skipped Skipped
	stats   tallies
	seen    int64

	episode int // of all files', the one that is being read
	prev    *policy.Window
	row     Row  // the last transition made, not yet put: it may be its episode's last
	made    bool // there is one
	pairs   int  // of windows, in this episode

	shares   policy.Shares
	wide     [][]bool               // [rank][worker]: within the mask
	rank     map[uint64]int         // of the masked keys now
	told     map[uint64]bool        // masked keys whose workers the window names
	realised []policy.RealisedShare // of the second window, with what its route tells
	obs      [2][]float32           // of the pair of windows
	act      []float64              // scratch
}

func newBuilder(c *TransitionConfig, s *survey, t *Transitions, out []bool) *builder {
	w := t.Train.Widths()
	b := &builder{
		config: c, survey: s, out: out, into: t, episode: -1,
		stats:  newTallies(w),
		row:    newRow(w),
		shares: policy.Shares{Mask: t.Mask},
		wide:   make([][]bool, len(t.Mask.Keys)),
		rank:   map[uint64]int{}, told: map[uint64]bool{},
	}
	for rank, row := range t.Mask.Keys {
		b.wide[rank] = make([]bool, t.Workers)
		for _, w := range row {
			b.wide[rank][w] = true
		}
	}
	return b
}

// read reads every trace as far as the survey did: one that is still being written
// may have grown.
func (b *builder) read(ctx context.Context, watch func(read, all int64)) error {
	for _, f := range b.survey.files {
		left, last := f.windows, 0
		err := eachWindow(ctx, f.path, func(m Meta) error {
			if m != f.meta {
				return fmt.Errorf("trace %s was replaced while it was read: try again", f.path)
			}
			return nil
		}, func(w *policy.Window) error {
			if left == 0 {
				return errStop
			}
			if left == f.windows || w.Episode != last {
				if err := b.endEpisode(); err != nil {
					return err
				}
				b.episode++
				b.view = learned.NewSharesView(&b.into.Spec, nil, learned.Default())
				last = w.Episode
			}
			left--
			b.seen++
			if watch != nil {
				watch(b.survey.windows+b.seen, 2*b.survey.windows)
			}
			if err := b.window(w); err != nil {
				return fmt.Errorf("trace %s: window %d: %w", f.path, f.windows-left-1, err)
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			return err
		}
		if left > 0 {
			return fmt.Errorf("trace %s lost %d windows while it was read: try again", f.path, left)
		}
	}
	return b.endEpisode()
}

// endEpisode stores the episode's last transition, marked as the last.
func (b *builder) endEpisode() error {
	if b.prev != nil && b.pairs == 0 {
		b.skipped.Episodes++
	}
	b.prev, b.pairs = nil, 0
	if !b.made {
		return nil
	}
	b.row.Truncated = 1
	if b.config.Published {
		b.row.Terminal = 1
	}
	return b.put()
}

// put adds the transition that was made to its store.
func (b *builder) put() error {
	b.made = false
	if b.out[b.episode] {
		return b.into.HeldOut.append(&b.row)
	}
	b.stats.add(&b.row)
	return b.into.Train.append(&b.row)
}

// window processes the episode's next window.
func (b *builder) window(w *policy.Window) error {
	if len(w.Counts) == 0 || len(w.Busy) == 0 {
		return fmt.Errorf("it has no counts or busy ratios of the workers, of which observations are made: collect on an engine that measures them")
	}
	prev := b.prev
	b.prev = w
	b.obs[0], b.obs[1] = b.obs[1], b.observed(b.obs[0][:0], w)
	if prev == nil {
		return nil
	}
	b.pairs++
	if !b.usable(prev, w) {
		return nil
	}
	if b.made {
		b.row.Terminal, b.row.Truncated = 0, 0
		if err := b.put(); err != nil {
			return err
		}
	}
	b.make(w)
	return nil
}

// usable reports whether a pair of windows makes a transition. It also sets the ranked keys
// and realised counts that the transition is made with.
func (b *builder) usable(prev, w *policy.Window) bool {
	switch {
	case w.Step != prev.Step+1:
		b.skipped.Gap++
		return false
	case slices.ContainsFunc(w.Busy, math.IsNaN):
		b.skipped.Missing++
		return false
	case b.config.DropMixed && w.RouteNew:
		b.skipped.Mixed++
		return false
	}
	// A controller that decides after prev knows the ranks of then.
	b.shares.Hot = b.survey.episodes[b.episode].hot
	if b.config.Rank == ByWindow {
		b.shares.Hot = rankedKeys(prev.Hot, b.survey.hot)
	}
	if len(b.shares.Hot) < len(b.shares.Mask.Keys) {
		b.skipped.Few++
		return false
	}
	clear(b.rank)
	for rank := range b.shares.Mask.Keys {
		b.rank[b.shares.Hot[rank].Hash] = rank
	}
	b.gather(w)
	if b.untold(w) {
		b.skipped.Untold++
		return false
	}
	if b.outside() {
		b.skipped.Outside++
		return false
	}
	return true
}

// gather collects the workers that masked keys went to, from their realised counts. A window
// has no counts of a key that the route in force keeps whole; then it takes the route's.
func (b *builder) gather(w *policy.Window) {
	b.realised = b.realised[:0]
	clear(b.told)
	for _, r := range w.Realised {
		if _, ok := b.rank[r.Hash]; ok && r.Count > 0 {
			b.realised = append(b.realised, r)
			b.told[r.Hash] = true
		}
	}
	if w.Route == nil || w.RouteNew {
		return
	}
	for _, k := range w.Route.Keys {
		if rank, ok := b.rank[k.Hash]; ok && !b.told[k.Hash] && len(k.Workers) == 1 {
			count := max(1, int64(estimate(find(w.Hot, b.shares.Hot[rank].Hash))))
			b.realised = append(b.realised, policy.RealisedShare{Hash: k.Hash, Worker: int(k.Workers[0]), Count: count})
			b.told[k.Hash] = true
		}
	}
}

// find returns the hot key of a hash, or one without records.
func find(hot []policy.HotKey, hash uint64) policy.HotKey {
	for _, k := range hot {
		if k.Hash == hash {
			return k
		}
	}
	return policy.HotKey{Hash: hash}
}

// untold reports whether a masked key had records and a choice of workers, but the window
// does not say where it went.
func (b *builder) untold(w *policy.Window) bool {
	for _, k := range w.Hot {
		rank, ok := b.rank[k.Hash]
		if ok && len(b.shares.Mask.Keys[rank]) > 1 && estimate(k) > 0 && !b.told[k.Hash] {
			return true
		}
	}
	return false
}

// outside reports whether too many records of masked keys went to workers outside the mask.
func (b *builder) outside() bool {
	in, all := 0.0, 0.0
	for _, r := range b.realised {
		all += float64(r.Count)
		if b.wide[b.rank[r.Hash]][r.Worker] {
			in += float64(r.Count)
		}
	}
	return in < b.config.Inside*all
}

// observed appends what a policy observes of a window to dst.
func (b *builder) observed(dst []float32, w *policy.Window) []float32 {
	ranked := b.survey.episodes[b.episode].hot
	if b.config.Rank == ByWindow {
		ranked = rankedKeys(w.Hot, b.survey.hot)
	}
	b.view.ObserveRanked(w, ranked)
	return b.view.Observation(dst, w)
}

// make makes the transition that ends with w.
func (b *builder) make(w *policy.Window) {
	b.made = true
	copy(b.row.Obs, b.obs[0])
	copy(b.row.Next, b.obs[1])
	b.act = b.shares.Action(b.act[:0], b.realised)
	if !b.config.Published {
		for i, a := range b.act {
			b.act[i] = 2*a - 1
		}
	}
	narrow(b.row.Act, b.act)
	b.row.Reward = float32(policy.Reward(policy.Perf(w.Busy), b.config.P0))
}

func narrow(dst []float32, src []float64) {
	for i, v := range src {
		dst[i] = float32(v)
	}
}

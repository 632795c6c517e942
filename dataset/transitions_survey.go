package dataset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"github.com/saspart/saspart/internal/sums"
	"github.com/saspart/saspart/policy"
)

// survey reads the traces the first time: their metadata, the lengths of their episodes, the
// hot keys of each, and the mean share of each rank.
type survey struct {
	config   *TransitionConfig
	given    *policy.Mask // the caller's, which goes before all others
	watch    func(read, all int64)
	workers  int
	files    []surveyed
	windows  int64
	episodes []episode
	shares   []float64 // by rank: sum over the windows of the share of the records
	told     int       // of keys, the workers of which an episode tells: the fewest of those that do; 0: none does
	hot      int       // keys ranked
	needed   int       // that auto would rank
	past     float64   // sum of the squared shares of the others
	counted  float64   // windows with records: the weight of shares
}

// surveyed is a trace.
type surveyed struct {
	path    string
	meta    Meta
	windows int64
}

// episode is one of a trace's.
type episode struct {
	windows int
	hot     []policy.HotKey // by rank, where ranks are by the episode
}

// read surveys the files in order.
func (s *survey) read(ctx context.Context, files []string) error {
	if len(files) == 0 {
		return errors.New("no trace to learn from; make some with `saspart collect`")
	}
	for _, path := range files {
		if err := s.readFile(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

func (s *survey) readFile(ctx context.Context, path string) error {
	f := surveyed{path: path}
	tally := rankTally{config: s.config}
	last := -1
	err := eachWindow(ctx, path, func(m Meta) error {
		f.meta = m
		return s.fits(&f)
	}, func(w *policy.Window) error {
		if f.windows == 0 || w.Episode != last {
			s.endEpisode(&tally)
			s.episodes = append(s.episodes, episode{})
			last = w.Episode
		}
		f.windows++
		s.windows++
		s.episodes[len(s.episodes)-1].windows++
		tally.add(w)
		if s.watch != nil {
			s.watch(s.windows, 0)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if f.windows == 0 {
		return fmt.Errorf("trace %s holds no windows: remove it, or collect again", path)
	}
	s.endEpisode(&tally)
	s.files = append(s.files, f)
	return nil
}

// eachWindow opens a trace and calls meta with its metadata, then each with every window. It
// stops at the first error.
func eachWindow(ctx context.Context, path string, meta func(Meta) error, each func(*policy.Window) error) (err error) {
	r, err := Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if err := meta(r.Meta()); err != nil {
		return err
	}
	for {
		w, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = each(w)
		}
		if err != nil {
			return err
		}
	}
}

// fits returns an error for a trace with another number of workers than those before it.
func (s *survey) fits(f *surveyed) error {
	if len(s.files) == 0 {
		s.workers = f.meta.Workers
	}
	if f.meta.Workers != s.workers {
		return fmt.Errorf("trace %s has %d workers, trace %s has %d: an action's length depends on them, so that each number needs a training of its own",
			f.path, f.meta.Workers, s.files[0].path, s.workers)
	}
	return nil
}

func checkMask(m *policy.Mask, workers int) error {
	if m.Workers != workers {
		return fmt.Errorf("the mask is for %d workers, the traces have %d", m.Workers, workers)
	}
	for rank, row := range m.Keys {
		if len(row) == 0 {
			return fmt.Errorf("the mask allows key %d no worker", rank)
		}
		for i, w := range row {
			if int(w) >= workers || i > 0 && w <= row[i-1] {
				return fmt.Errorf("the mask allows key %d the workers %v; they must ascend and be below %d", rank, row, workers)
			}
		}
	}
	return nil
}

// mask returns the mask of all transitions.
func (s *survey) mask() (m policy.Mask, err error) {
	from := "the mask given"
	if s.given != nil {
		m = *s.given
		if err := checkMask(&m, s.workers); err != nil {
			return m, err
		}
	} else {
		from = "a mask of the mean shares of the hot keys"
		m = policy.NewMask(s.meanShares(), s.workers, s.config.Mask)
	}
	if m.Pairs() == 0 {
		return m, fmt.Errorf("%s: %s has no key, so that there is nothing to decide; set mask.true_hot, or collect under more skew", describe(s.files), from)
	}
	return m, nil
}

// meanShares is the mean share of the records of each rank.
func (s *survey) meanShares() []float64 {
	d := make([]float64, len(s.shares))
	for i, v := range s.shares {
		d[i] = v / max(s.counted, 1)
	}
	return d
}

// choose sets the number of hot keys, once all traces are read.
func (s *survey) choose() {
	d := s.meanShares()
	rest := 0.0
	if n := len(d); n > 0 {
		rest = max(0, 1-sums.Of(d)) * d[n-1] // lighter keys than the lightest
	}
	s.needed, _ = policy.AutoHotKeys.Of(d, rest, s.workers)
	most := s.config.HotKeys
	if most == policy.AutoHotKeys && s.told > 0 && s.told < s.needed {
		most = policy.HotKeys(s.told)
	}
	s.hot, s.past = most.Of(d, rest, s.workers)
	s.shares = s.shares[:min(len(s.shares), s.hot)]
	for i := range s.episodes {
		e := &s.episodes[i]
		e.hot = e.hot[:min(len(e.hot), s.hot)]
	}
}

// endEpisode adds an episode's tally, if it has windows.
func (s *survey) endEpisode(t *rankTally) {
	if t.windows == 0 {
		return
	}
	if t.told > 0 && (s.told == 0 || t.told < s.told) {
		s.told = t.told
	}
	if s.config.Rank == ByEpisode {
		s.episodes[len(s.episodes)-1].hot = t.ranked()
	}
	for rank, share := range t.shares() {
		if rank == len(s.shares) {
			s.shares = append(s.shares, 0)
		}
		s.shares[rank] += share
	}
	s.counted += t.counted
	*t = rankTally{config: t.config}
}

// rankTally sums the hot keys of an episode.
type rankTally struct {
	config  *TransitionConfig
	windows int
	counted float64 // windows with records
	keys    map[uint64]*tallied
	byRank  []float64 // where ranks are by the window
	told    int       // most keys that a window tells the workers of
}

// tallied is a key's sum of shares over the windows that name it.
type tallied struct {
	key   policy.HotKey
	share float64
}

func (t *rankTally) add(w *policy.Window) {
	t.windows++
	t.told = max(t.told, told(w))
	all := float64(sums.Of(w.Slots))
	if len(w.Slots) == 0 {
		all = float64(w.Records)
	}
	if !(all > 0) {
		return
	}
	t.counted++
	if t.config.Rank == ByWindow {
		for rank, k := range rankedKeys(w.Hot, t.most()) {
			if rank == len(t.byRank) {
				t.byRank = append(t.byRank, 0)
			}
			t.byRank[rank] += estimate(k) / all
		}
		return
	}
	if t.keys == nil {
		t.keys = map[uint64]*tallied{}
	}
	for _, k := range w.Hot {
		e := t.keys[k.Hash]
		if e == nil {
			e = &tallied{key: policy.HotKey{Name: k.Name, Hash: k.Hash}}
			t.keys[k.Hash] = e
		}
		e.share += estimate(k) / all
	}
}

// sorted are the episode's keys, heaviest first, no more than are ranked.
func (t *rankTally) sorted() []*tallied {
	all := slices.SortedFunc(maps.Values(t.keys), func(a, b *tallied) int {
		return cmp.Or(cmp.Compare(b.share, a.share), cmp.Compare(a.key.Hash, b.key.Hash))
	})
	return all[:min(len(all), t.most())]
}

// most is how many keys can be hot.
func (t *rankTally) most() int {
	if t.config.HotKeys == policy.AutoHotKeys {
		return math.MaxInt
	}
	return int(t.config.HotKeys)
}

// told is how many keys a window tells the workers of.
func told(w *policy.Window) int {
	n := 0
	for i, r := range w.Realised { // sorted by key
		if i == 0 || r.Hash != w.Realised[i-1].Hash {
			n++
		}
	}
	if w.Route != nil && !w.RouteNew {
		for i := range w.Route.Keys {
			if len(w.Route.Keys[i].Workers) == 1 {
				n++
			}
		}
	}
	return n
}

func (t *rankTally) ranked() []policy.HotKey {
	var keys []policy.HotKey
	for _, e := range t.sorted() {
		keys = append(keys, e.key)
	}
	return keys
}

// shares are the sums of shares by rank.
func (t *rankTally) shares() []float64 {
	if t.config.Rank == ByWindow {
		return t.byRank
	}
	var sums []float64
	for _, e := range t.sorted() {
		sums = append(sums, e.share)
	}
	return sums
}

// estimate returns a hot key's likely count. Up to Error of Count may belong to other keys;
// half of it is taken off.
func estimate(k policy.HotKey) float64 { return max(0, float64(k.Count)-float64(max(0, k.Error))/2) }

// rankedKeys are the n heaviest keys of a window, heaviest first.
func rankedKeys(hot []policy.HotKey, n int) []policy.HotKey {
	keys := slices.Clone(hot)
	slices.SortFunc(keys, func(a, b policy.HotKey) int {
		return cmp.Or(cmp.Compare(estimate(b), estimate(a)), cmp.Compare(a.Hash, b.Hash))
	})
	return keys[:min(n, len(keys))]
}

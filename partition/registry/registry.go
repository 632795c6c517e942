// Package registry knows every partitioner by its name, with its settings.
package registry

import (
	"fmt"
	"slices"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/dalton"
	"github.com/saspart/saspart/partition/rival"
	"github.com/saspart/saspart/partition/table"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/plan"
)

// partitioner is a row of the registry. It holds everything that the rest of the program has
// to know of a partitioner.
type partitioner struct {
	name   string
	own    []block // its settings
	router newRouter
	// controller computes the routes that the routers follow, for a job of so many
	// workers; nil: the routers decide by themselves.
	controller func(c *Config, workers int) (policy.Controller, error)
	flink      []block // the settings that Flink's connector reads; nil: it does not have the partitioner
}

// newRouter makes the router of a subtask.
type newRouter func(c *Config, env partition.Env) partition.Router

// partitioners lists every partitioner, in the order in which users see them. A new one adds
// its row here and, if it has settings, a field to Config.
func partitioners() []partitioner {
	choices := newSettings("choices", rival.DefaultChoices(), func(c *Config) *rival.ChoicesConfig { return &c.Choices })
	dagreedy := newSettings("dagreedy", dalton.DefaultDAGreedy(), func(c *Config) *dalton.DAGreedyConfig { return &c.DAGreedy })
	flexd := newSettings("flexd", rival.DefaultFlexD(), func(c *Config) *rival.FlexDConfig { return &c.FlexD })
	bandit := newSettings("dalton", dalton.Default(), func(c *Config) *dalton.Config { return &c.Dalton })
	offline := newSettings("dalton_offline", dalton.DefaultOffline(), func(c *Config) *dalton.OfflineConfig { return &c.DaltonOffline })
	fish := newSettings("fish", rival.DefaultFish(), func(c *Config) *rival.FishConfig { return &c.Fish })
	waterfill := newSettings("waterfill", plan.DefaultWaterfill(), func(c *Config) *plan.WaterfillConfig { return &c.Waterfill })
	learned := newSettings("saspartitioner", table.DefaultSaSPartitioner(), func(c *Config) *table.SaSPartitionerConfig { return &c.SaSPartitioner })

	follows := newSettings("table", table.Default(), func(c *Config) *table.Config { return &c.Table })

	routes := func(c *Config, env partition.Env) partition.Router {
		settings := c.Table
		settings.MaxWorkersPerKey = c.maxWorkersPerKey()
		return table.New(settings, env)
	}
	onFlink := reads(follows, choices) // there, the routers of table go by wchoices while no server answers
	return []partitioner{
		{name: "hash", flink: reads(), router: plain(rival.NewHash)},
		{name: "pkg", flink: reads(), router: plain(rival.NewPKG)},
		{name: "dchoices", own: reads(choices), router: set(choices, rival.NewDChoices)},
		{name: "wchoices", own: reads(choices), flink: reads(choices), router: set(choices, rival.NewWChoices)},
		{name: "cam", flink: reads(), router: func(c *Config, env partition.Env) partition.Router { return rival.NewCAM(env, c.Published) }},
		{name: "dagreedy", own: reads(dagreedy), flink: reads(dagreedy), router: set(dagreedy, dalton.NewDAGreedy)},
		{name: "flexd", own: reads(flexd), flink: reads(flexd), router: set(flexd, rival.NewFlexD)},
		{name: "dalton-original", own: reads(bandit), flink: reads(bandit), router: set(bandit, dalton.NewOriginal)},
		{name: "dalton-metrics", own: reads(bandit), flink: reads(bandit), router: set(bandit, dalton.NewMetrics)},
		{name: "dalton-offline", own: reads(offline), flink: reads(offline), router: set(offline, dalton.NewOffline)},
		{name: "fish", own: reads(fish), router: func(c *Config, env partition.Env) partition.Router { return rival.NewFish(c.Fish, env) }},
		{name: "table", own: reads(follows), flink: onFlink, router: routes},
		{name: "waterfill", own: reads(waterfill, follows), flink: onFlink, router: routes, controller: func(c *Config, workers int) (policy.Controller, error) {
			return table.NewWaterfill(c.Waterfill, workers), nil
		}},
		{name: "saspartitioner", own: reads(learned, follows), flink: onFlink, router: routes, controller: func(c *Config, workers int) (policy.Controller, error) {
			return table.NewSaSPartitioner(c.SaSPartitioner, workers)
		}},
	}
}

// plain is for routers that have no settings.
func plain(make func(env partition.Env) partition.Router) newRouter {
	return func(_ *Config, env partition.Env) partition.Router { return make(env) }
}

// set is for routers that have settings.
func set[S any, P validator[S]](own *settings[S, P], make func(c S, env partition.Env, published bool) partition.Router) newRouter {
	return func(c *Config, env partition.Env) partition.Router { return make(*own.of(c), env, c.Published) }
}

// reads lists the settings that a partitioner reads, or Flink's connector of one that it has.
func reads(blocks ...block) []block { return append([]block{}, blocks...) }

// blocks lists the settings of all partitioners, those that several share once.
func blocks() []block {
	var all []block
	for _, p := range partitioners() {
		for _, b := range p.own {
			if !slices.Contains(all, b) {
				all = append(all, b)
			}
		}
	}
	return all
}

// find returns the partitioner of that name.
func find(name string) (p partitioner, known bool) {
	for _, p := range partitioners() {
		if p.name == name {
			return p, true
		}
	}
	return partitioner{}, false
}

// Names lists the partitioners that New knows.
func Names() []string { return names(func(*partitioner) bool { return true }) }

// OnFlink lists the partitioners that Flink's connector has.
func OnFlink() []string { return names(func(p *partitioner) bool { return p.flink != nil }) }

func names(which func(p *partitioner) bool) []string {
	var names []string
	for _, p := range partitioners() {
		if which(&p) {
			names = append(names, p.name)
		}
	}
	return names
}

// New makes the partitioner that c describes for a job of so many workers. The error for an
// unknown name suggests the nearest known one; errors for impossible settings have their
// paths.
func New(c Config, workers int) (partition.Scheme, error) {
	if err := c.Validate(); err != nil {
		return partition.Scheme{}, err
	}
	if err := field.Whole("workers", workers, 1, policy.MaxWorkers); err != nil {
		return partition.Scheme{}, err
	}
	p, _ := find(c.Name)
	return p.scheme(c, workers)
}

// scheme makes the partitioner for a job of so many workers. c must be valid.
func (p *partitioner) scheme(c Config, workers int) (partition.Scheme, error) {
	s := partition.Scheme{
		Name:      p.name,
		NewRouter: func(env partition.Env) partition.Router { return p.router(&c, env) },
		Flink:     partition.Flink{Name: p.name, Settings: p.onFlink(&c)},
	}
	if p.controller == nil {
		return s, nil
	}
	var err error
	if s.Controller, err = p.controller(&c, workers); err != nil {
		return partition.Scheme{}, fmt.Errorf("partitioner %s: %w", p.name, err)
	}
	return s, nil
}

// onFlink describes the partitioner to Flink's connector: its name and the settings that the
// connector reads. The connector refuses all others.
func (p *partitioner) onFlink(c *Config) map[string]any {
	if p.flink == nil || c.maxWorkersPerKey() > 0 { // the connector has no limit
		return nil
	}
	told := map[string]any{"name": c.Name, "published": c.Published}
	for _, b := range p.flink {
		told[b.title()] = b.value(c)
	}
	return told
}

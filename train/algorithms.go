package train

import (
	"math"
	"slices"
	"strings"

	"github.com/saspart/saspart/config/field"
)

// Algorithm says how a policy is trained.
type Algorithm string

// The algorithms. Those of the shares action are the rows of Algorithms.
const (
	BC    Algorithm = "bc"
	SACN  Algorithm = "sacn"
	CQL   Algorithm = "cql"
	CalQL Algorithm = "calql"
	EDAC  Algorithm = "edac"
	IQL   Algorithm = "iql"
	TD3BC Algorithm = "td3bc"
	// Model learns the capacity action by gradients through the fluid model, at
	// recorded speeds, with neither critics nor rewards.
	Model Algorithm = "model"
)

// Values reports whether the algorithm trains critics, which estimate values.
func (a Algorithm) Values() bool { return a != BC && a != Model }

// Row is an algorithm of the shares action.
type Row struct {
	Name  Algorithm
	About string                // a line about it
	check func(*Config) []error // of its own settings; nil: it has none
}

// Algorithms are the algorithms of the shares action. Package shares has a file for each.
func Algorithms() []Row { return rows }

var rows = []Row{
	{BC, "behaviour cloning: imitate the data, without rewards (the control)", nil},
	{SACN, "SAC with the minimum over N critics; for a running job", nil},
	{CQL, "SAC-N with CQL(H): actions that are not in the data are valued lower (the published algorithm)", cqlSettings},
	{CalQL, "CQL that keeps values on the scale of returns: offline, then online", cqlSettings},
	{EDAC, "SAC-N whose critics must differ in their gradients", func(c *Config) []error {
		return []error{field.Finite("edac.diversity", c.EDAC.Diversity, 0, math.MaxFloat64), field.Whole("critics", c.Critics, 2, 1024)}
	}},
	{IQL, "implicit Q-learning: values of the data's actions only", func(c *Config) []error {
		return []error{field.Finite("iql.expectile", c.IQL.Expectile, 0.5, 1-1e-6), field.Finite("iql.temperature", c.IQL.Temperature, 0, math.MaxFloat64)}
	}},
	{TD3BC, "TD3 with a term that imitates the data; the policy is deterministic", func(c *Config) []error {
		return []error{
			field.Positive("td3bc.alpha", c.TD3BC.Alpha), field.Finite("td3bc.noise", c.TD3BC.Noise, 0, 2), field.Finite("td3bc.noise_clip", c.TD3BC.NoiseClip, 0, 2),
			field.Whole("td3bc.every", c.TD3BC.Every, 1, 1<<16), field.Finite("td3bc.explore", c.TD3BC.Explore, math.Exp(-5), math.Exp(2)),
		}
	}},
}

func cqlSettings(c *Config) []error {
	return []error{
		field.Whole("cql.actions", c.CQL.Actions, 1, 1024),
		field.Positive("cql.temperature", c.CQL.Temperature),
		field.Finite("cql.weight", c.CQL.Weight, 0, math.MaxFloat64),
		field.Positive("cql.density", c.CQL.Density),
	}
}

// checkAlgorithm reports an unknown algorithm, or its impossible settings.
func (c *Config) checkAlgorithm() []error {
	var names []string
	for _, r := range rows {
		if r.Name == c.Algorithm && r.check != nil {
			return r.check(c)
		}
		names = append(names, string(r.Name))
	}
	if slices.Contains(names, string(c.Algorithm)) {
		return nil
	}
	return []error{field.Errorf("algorithm", "is %q; it must be one of %s", c.Algorithm, strings.Join(names, ", "))}
}

// CQLConfig are the settings of the conservative term, of CQL and Cal-QL.
type CQLConfig struct {
	Actions     int     `yaml:"actions"`     // K samples each from uniform, policy at s and policy at s'
	Temperature float64 `yaml:"temperature"` // of the soft maximum
	Weight      float64 `yaml:"weight"`      // of the term against the TD loss
	// Density is the density per dimension that importance weighting assumes for uniform
	// actions. They are drawn from [-1,1], so 0.5 is correct.
	Density float64 `yaml:"density"`
}

// EDACConfig are the settings of EDAC.
type EDACConfig struct {
	Diversity float64 `yaml:"diversity"` // weight of the critics' similarity against the TD loss
}

// IQLConfig are the settings of IQL.
type IQLConfig struct {
	Expectile   float64 `yaml:"expectile"`   // 0.5: V is the mean value of the data's actions; to 1: the best
	Temperature float64 `yaml:"temperature"` // of the advantages; 0: behaviour cloning
}

// TD3BCConfig are the settings of TD3+BC.
type TD3BCConfig struct {
	Alpha     float64 `yaml:"alpha"`      // weight of the values against imitation
	Noise     float64 `yaml:"noise"`      // standard deviation of what is added to target actions
	NoiseClip float64 `yaml:"noise_clip"` // most that is added
	Every     int     `yaml:"every"`      // updates per step of the policy and the targets
	Explore   float64 `yaml:"explore"`    // standard deviation of exploration, before tanh
}

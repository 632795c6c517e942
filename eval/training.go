package eval

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/saspart/saspart/internal/files"
	"github.com/saspart/saspart/internal/sums"
	"github.com/saspart/saspart/runlog"
)

// TrainingReport is the report of the training run in dir: how its curves went, what
// it was configured with, and how to run it again. It reads what runlog wrote, so
// that it can be made at any moment, also of a run that goes on or was killed.
func TrainingReport(dir string) (*Report, error) {
	info, err := runlog.ReadInfo(dir)
	if err != nil {
		return nil, err
	}
	m, err := runlog.ReadMetrics(filepath.Join(dir, runlog.MetricsFile))
	if err != nil {
		return nil, fmt.Errorf("report on run %s: %w", dir, err)
	}
	config, err := files.Read(filepath.Join(dir, runlog.ConfigFile), files.Text)
	if err != nil {
		return nil, fmt.Errorf("report on run %s: %w", dir, err)
	}
	r := &Report{
		Title:    "Training " + info.Name,
		Subtitle: fmt.Sprintf("%s, begun %s", info.Version, info.Started.Format("2 January 2006, 15:04 MST")),
		Facts:    runFacts(info, m),
	}
	if m.Rows() == 0 {
		r.Sections = append(r.Sections, Section{Heading: "Curves", Text: "The run has reported nothing yet."})
	} else {
		routes, err := routeSection(dir)
		if err != nil {
			return nil, fmt.Errorf("report on run %s: %w", dir, err)
		}
		r.Sections = append(append(r.Sections, curves(m, steps(info))...), routes...)
		r.Sections = append(r.Sections, Section{Heading: "In numbers", Text: "First and last are means over the first and the last tenth of a curve's points.", Table: curveTable(m)})
	}
	r.Sections = append(r.Sections, again(dir, info), Section{Heading: "Configuration", Code: strings.TrimRight(string(config), "\n"), Folded: true})
	return r, nil
}

// WriteTrainingReport makes the report of the run in dir and puts it there, as a
// whole, under the name it returns.
func WriteTrainingReport(dir string) (path string, err error) {
	r, err := TrainingReport(dir)
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, runlog.ReportFile)
	return path, writeFile(path, r.Write)
}

// steps is what the steps of a run count.
func steps(info *runlog.Info) string {
	if info.Steps == "" {
		return "updates"
	}
	return info.Steps
}

func runFacts(info *runlog.Info, m *runlog.Metrics) []Fact {
	facts := []Fact{{"Seed", strconv.FormatUint(info.Seed, 10)}}
	if n := m.Rows(); n > 0 {
		seconds := time.Duration(m.Seconds[n-1] * float64(time.Second))
		did := fmt.Sprintf("%d in %v", m.Steps[n-1], seconds.Round(time.Second))
		if counted := m.Steps[n-1] - m.Steps[0]; n > 1 && m.Seconds[n-1] > m.Seconds[0] {
			did += fmt.Sprintf(", %.3g per second", float64(counted)/(m.Seconds[n-1]-m.Seconds[0]))
		}
		facts = append(facts, Fact{strings.ToUpper(steps(info)[:1]) + steps(info)[1:], did})
	}
	if at, y := m.Series(runlog.Imbalance); len(y) > 0 {
		best := slices.Min(y)
		facts = append(facts, Fact{"Best rollout", fmt.Sprintf("imbalance %s after %d %s", number(best), at[slices.Index(y, best)], steps(info))})
	}
	for _, r := range info.Resumed {
		facts = append(facts, Fact{"Resumed", fmt.Sprintf("from %s %d, %s", strings.TrimSuffix(steps(info), "s"), r.Step, r.At.Format("2 January 2006, 15:04 MST"))})
	}
	return append(facts, Fact{"Machine", machine(info.Host.Name, info.Host)})
}

// group is a section of curves: those whose tags begin with its name. Those of one
// scale that are meant to be compared share a plot.
type group struct {
	name, heading, text string
	together            string // tags that begin so share a plot; "" none
	title               string // of that plot
}

// groups are in the order of what a reader wants to know first.
func groups() []group {
	return []group{
		{"rollout/", "Rollouts", "What counts: how the policy does when it runs a job.", "", ""},
		{"explore/", "Exploring", "What the policy did to the jobs that it learned from, trying things out.", "", ""},
		{"heldout/", "Held-out episodes", "What recorded episodes that were not trained on say. A value is the critics' opinion and no promise.", "heldout/values", "Values in held-out episodes"},
		{"losses/", "Losses", "", "", ""},
		{"values/", "Values", "What the critics expect of all future rewards, discounted.", "values/", "Values in the batches"},
		{"policy/", "Policy", "", "", ""},
		{"gradients/", "Gradients", "", "", ""},
		{"time/", "Speed", "", "", ""},
		{"", "Others", "", "", ""},
	}
}

// fromZero are the tags of which 0 is the least there is.
func fromZero() []string {
	return []string{runlog.Imbalance, runlog.WorstImbalance, runlog.ExploreImbalance, runlog.ExploreBackpressure, runlog.Returns, runlog.Limited, runlog.Updates, runlog.ActionDistance, runlog.Alpha, runlog.GradActor, runlog.GradCritic, runlog.UpdateRate}
}

// curves are the sections with plots; curves without points are left out, as are
// sections without curves.
func curves(m *runlog.Metrics, unit string) []Section {
	var sections []Section
	done := map[string]bool{}
	for _, g := range groups() {
		s := Section{Heading: g.heading, Text: g.text}
		shared := -1
		for _, tag := range ordered(m) {
			x, y := m.Series(tag)
			if len(x) == 0 || done[tag] || !strings.HasPrefix(tag, g.name) {
				continue
			}
			done[tag] = true
			d := runlog.Describe(tag)
			line := Line{Name: strings.ToLower(d.Title), X: floats(x), Y: y}
			if g.together != "" && strings.HasPrefix(tag, g.together) {
				if shared < 0 {
					shared = len(s.Charts)
					s.Charts = append(s.Charts, Chart{Title: g.title, XLabel: unit})
				}
				s.Charts[shared].Lines = append(s.Charts[shared].Lines, line)
				continue
			}
			s.Charts = append(s.Charts, Chart{
				Title: d.Title, Help: d.Help, XLabel: unit, Zero: slices.Contains(fromZero(), tag), Lines: []Line{line},
			})
		}
		if len(s.Charts) > 0 {
			sections = append(sections, s)
		}
	}
	return sections
}

// ordered are the run's tags, those that are known first, in their order.
func ordered(m *runlog.Metrics) []string {
	var tags []string
	for _, t := range runlog.Tags() {
		if slices.Contains(m.Tags, t.Name) {
			tags = append(tags, t.Name)
		}
	}
	for _, t := range m.Tags {
		if !slices.Contains(tags, t) {
			tags = append(tags, t)
		}
	}
	return tags
}

func floats(steps []int64) []float64 {
	x := make([]float64, len(steps))
	for i, s := range steps {
		x[i] = float64(s)
	}
	return x
}

func curveTable(m *runlog.Metrics) *Table {
	t := &Table{Head: []string{"", "first", "last", "least", "most"}}
	for _, tag := range ordered(m) {
		_, y := m.Series(tag)
		if len(y) == 0 {
			continue
		}
		tenth := (len(y) + 9) / 10
		t.Rows = append(t.Rows, []string{
			runlog.Describe(tag).Title, number(mean(y[:tenth])), number(mean(y[len(y)-tenth:])),
			number(slices.Min(y)), number(slices.Max(y)),
		})
	}
	return t
}

func mean(v []float64) float64 {
	sum := sums.Of(v)
	return sum / float64(len(v))
}

// number writes v with four digits that count.
func number(v float64) string {
	if a := math.Abs(v); a >= 1e4 && a < 1e9 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// elsewhere is a command line that writes to another folder: a run's own is refused.
func elsewhere(command []string) []string {
	const more = "-again"
	command = slices.Clone(command)
	for i, word := range command {
		switch {
		case strings.HasPrefix(word, "--out="):
			command[i] += more
		case word == "--out" && i+1 < len(command):
			command[i+1] += more
		}
	}
	return command
}

// again says how to repeat the run and how to look at it.
func again(dir string, info *runlog.Info) Section {
	return Section{
		Heading: "Run it again",
		Text:    "The first command repeats the training in another folder; the second shows its curves live.",
		Code:    strings.TrimPrefix(quoted(elsewhere(info.Command)...)+"\ntensorboard --logdir "+quoted(filepath.Clean(dir)), "\n"),
	}
}

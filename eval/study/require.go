package study

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/saspart/saspart/config/nearest"
)

// Condition is something that a study must come to, in every cell that has it:
//
//	saspartitioner/hash>=2         the highest rates, as a ratio
//	waterfill/bound>=0.95          against the fluid bound (or the analytic split)
//	waterfill.imbalance<=0.1       a metric
//	waterfill.p99/hash.p99<1       a ratio of metrics
//	saspartitioner.p99<=50ms       durations may have a unit
//
// An operand is a partitioner, as it was named, with a metric behind a dot,
// or without one its highest rate; names with a dot of their own are tried first.
type Condition struct {
	Text        string
	Left, Right operand // Right without a name: 1
	Op          string
	Value       float64
}

type operand struct{ name, metric string }

// Names that stand for bounds in conditions.
const (
	boundName    = "bound"
	analyticName = "analytic"
)

var conditionForm = regexp.MustCompile(`^([^<>=]+)(>=|<=|>|<)([^<>=]+)$`)

// ParseCondition reads a condition about the given contenders.
func ParseCondition(text string, contenders []string) (Condition, error) {
	if len(text) > mostCondition {
		return Condition{}, fmt.Errorf("a condition of %d bytes; at most %d are possible", len(text), mostCondition)
	}
	m := conditionForm.FindStringSubmatch(text)
	if m == nil {
		return Condition{}, fmt.Errorf("%q is no condition; write for example saspartitioner/hash>=2 or waterfill.p99<=50ms", text)
	}
	c := Condition{Text: strings.TrimSpace(text), Op: m[2]}
	var err error
	if c.Left, c.Right, err = parseSide(strings.TrimSpace(m[1]), contenders); err != nil {
		return c, fmt.Errorf("condition %q: %w", text, err)
	}
	limit := strings.TrimSpace(m[3])
	c.Value, err = strconv.ParseFloat(limit, 64)
	if err != nil {
		d, err := time.ParseDuration(limit)
		if err != nil {
			return c, fmt.Errorf("condition %q: %q is neither a number nor a duration", text, limit)
		}
		c.Value = d.Seconds()
	}
	if c.Value != c.Value {
		return c, fmt.Errorf("condition %q: nothing compares to NaN", text)
	}
	return c, nil
}

// mostCondition bounds a condition, in bytes: each slash in it may be a division.
const mostCondition = 1 << 10

// parseSide reads an operand or a ratio of two. Names of checkpoints have slashes too:
// the first way of reading it that makes sense counts.
func parseSide(text string, contenders []string) (left, right operand, err error) {
	if left, err = parseOperand(text, contenders); err == nil {
		return left, right, nil
	}
	for at := range len(text) {
		if text[at] != '/' {
			continue
		}
		var first, second error
		left, first = parseOperand(strings.TrimSpace(text[:at]), contenders)
		right, second = parseOperand(strings.TrimSpace(text[at+1:]), contenders)
		if first == nil && second == nil {
			return left, right, nil
		}
		err = errors.Join(first, second)
	}
	return left, right, err
}

func parseOperand(text string, contenders []string) (operand, error) {
	names := append(slices.Clone(contenders), boundName, analyticName)
	if slices.Contains(names, text) {
		return operand{text, "held"}, nil
	}
	at := strings.LastIndexByte(text, '.')
	if at < 0 || !slices.Contains(names, text[:at]) {
		name := text
		if at >= 0 {
			name = text[:at]
		}
		return operand{}, fmt.Errorf("no partitioner %q is measured; %s", name, nearest.Explain(name, names))
	}
	o := operand{text[:at], text[at+1:]}
	if o.name == boundName || o.name == analyticName {
		return o, fmt.Errorf("%s has no metrics but its rate", o.name)
	}
	if _, ok := metricOf(o.metric); !ok {
		var known []string
		for _, m := range metrics() {
			known = append(known, m.name)
		}
		return o, fmt.Errorf("there is no metric %q; %s", o.metric, nearest.Explain(o.metric, known))
	}
	return o, nil
}

// Check returns a sentence for each cell in which the condition is not met. A cell that one of its
// partitioners failed in does not meet it; cells whose kind has no such metric do not
// count, but one at least must.
func (c *Condition) Check(results []Result) []string {
	var out []string
	checked := 0
	for i := range results {
		r := &results[i]
		if !r.has(c.Left) || c.Right.name != "" && !r.has(c.Right) {
			continue
		}
		checked++
		v, ok := r.value(c.Left)
		if ok && c.Right.name != "" {
			var by float64
			by, ok = r.value(c.Right)
			v /= by
		}
		switch {
		case !ok:
			out = append(out, fmt.Sprintf("%s: %s: there is no measurement", r.Cell, c.Text))
		case !compare(v, c.Op, c.Value):
			out = append(out, fmt.Sprintf("%s: %s: it is %.4g", r.Cell, c.Text, v))
		}
	}
	if checked == 0 {
		out = append(out, fmt.Sprintf("%s: no cell measures that", c.Text))
	}
	return out
}

func compare(v float64, op string, than float64) bool {
	switch op {
	case ">=":
		return v >= than
	case "<=":
		return v <= than
	case ">":
		return v > than
	}
	return v < than
}

// has reports whether a cell of this kind is asked for such a value.
func (r *Result) has(o operand) bool {
	if o.name == boundName || o.name == analyticName {
		return r.Kind == Throughput
	}
	if r.Find(o.name) == nil {
		return false
	}
	m, _ := metricOf(o.metric)
	return m.kind == r.Kind
}

// value is an operand's in a cell, a mean over seeds.
func (r *Result) value(o operand) (float64, bool) {
	if o.name != boundName && o.name != analyticName {
		e := r.Find(o.name)
		v, ok := e.Values[o.metric]
		return v.Mean, ok && len(e.Errors) == 0
	}
	for _, e := range r.Entries {
		for _, rec := range e.Records {
			if rec.Throughput != nil && rec.Throughput.Bounds.Fluid > 0 {
				if o.name == boundName {
					return rec.Throughput.Bounds.Fluid, true
				}
				return rec.Throughput.Bounds.Analytic, true
			}
		}
	}
	return 0, false
}

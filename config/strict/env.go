package strict

import (
	"fmt"
	"slices"
	"strings"

	"github.com/saspart/saspart/config/nearest"
)

// Variable is the name of the environment variable that sets path, for example
// SASPART_JOB_WORK_RATIO for job.work_ratio.
func Variable(prefix, path string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// environment turns the variables that start with the prefix into overrides, ordered by name
// so that the result does not depend on the shell's order.
func (d *decoder) environment(layers Layers) []Override {
	if layers.Prefix == "" {
		return nil
	}
	byName := map[string][]string{}
	var known []string
	for _, p := range paths(d.root) {
		name := Variable(layers.Prefix, p)
		byName[name] = append(byName[name], p)
		known = append(known, name)
	}
	var out []Override
	for _, v := range slices.Sorted(slices.Values(layers.Env)) {
		name, value, _ := strings.Cut(v, "=")
		rest, ours := strings.CutPrefix(name, layers.Prefix)
		if !ours || reserved(name, layers.Reserved) {
			continue
		}
		o := Override{Value: value, From: name}
		fits := byName[name]
		switch {
		case strings.Contains(rest, "__"):
			o.Path = strings.ToLower(strings.ReplaceAll(rest, "__", "."))
		case len(fits) == 1:
			o.Path = fits[0]
		case len(fits) > 1:
			d.unusable(name, fmt.Sprintf("could mean %s; write two underscores between the levels", strings.Join(fits, " or ")))
			continue
		default:
			problem := "sets nothing"
			if near := nearest.Nearest(name, known); near != "" {
				problem += fmt.Sprintf("; did you mean %s?", near)
			}
			d.unusable(name, problem)
			continue
		}
		out = append(out, o)
	}
	return out
}

func (d *decoder) unusable(variable, problem string) {
	d.errs = append(d.errs, Error{Place: Place{Layer: Env, Name: variable}, Problem: problem})
}

func reserved(name string, list []string) bool {
	return slices.ContainsFunc(list, func(r string) bool {
		return name == r || strings.HasSuffix(r, "_") && strings.HasPrefix(name, r)
	})
}

// Package study compares partitioners over many jobs. It expands a matrix of experiments,
// runs the missing measurements, and keeps every result in a folder, so that a study can
// be resumed. It names no winner within the noise.
package study

import (
	"fmt"
	"slices"
	"strings"

	"github.com/saspart/saspart/config/nearest"
	"github.com/saspart/saspart/config/strict"
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/partition/registry"
	"github.com/saspart/saspart/partition/table"
	"github.com/saspart/saspart/policy/checkpoint"
)

// All stands for every partitioner in a list of contenders.
const All = "all"

// Contender is a partitioner as it takes part in a study.
type Contender struct {
	Name        string // what it is called in results: as it was asked for
	Partitioner string // of registry.Names
	Checkpoint  string // that a saspartitioner follows; "" for all others
	Combine     bool   // records are aggregated at the senders first (engine.CombineLocal)
}

// CombineName is the contender that aggregates at the senders and goes by hash.
const CombineName = "combine"

// learned is the partitioner that follows a checkpoint.
const learned = "saspartitioner"

// ParseContenders reads a list of contenders: names of partitioners, saspartitioner
// also with a checkpoint of its own (saspartitioner:runs/mine), combine, or all. Those without
// one follow the given checkpoint.
func ParseContenders(list []string, checkpoint string) ([]Contender, error) {
	var out []Contender
	add := func(c Contender) error {
		if slices.ContainsFunc(out, func(o Contender) bool { return o.Name == c.Name }) {
			return fmt.Errorf("partitioner %q is named twice", c.Name)
		}
		out = append(out, c)
		return nil
	}
	for _, name := range list {
		names := []string{name}
		if name == All {
			names = Everyone()
		}
		for _, n := range names {
			c, err := parseContender(n, checkpoint)
			if err == nil {
				err = add(c)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func parseContender(name, follows string) (Contender, error) {
	plain, own, found := strings.Cut(name, ":")
	c := Contender{Name: name, Partitioner: plain}
	switch {
	case name == CombineName:
		c.Partitioner, c.Combine = "hash", true
	case found && (plain != learned || own == ""):
		return c, fmt.Errorf("%q is no partitioner; write %s:CHECKPOINT for a learned one", name, learned)
	case !slices.Contains(known(), plain):
		return c, fmt.Errorf("%q is no partitioner; %s", plain, nearest.Explain(plain, append(known(), All)))
	case plain == learned:
		c.Checkpoint = own
		if own == "" {
			c.Checkpoint = follows
		}
		if c.Checkpoint == "" {
			c.Checkpoint = checkpoint.BuiltinName
		}
	}
	return c, nil
}

// known are the names of contenders.
func known() []string { return append(registry.Names(), CombineName) }

// Everyone is what All stands for: every partitioner that needs nothing from outside.
// table, which follows routes that somebody must announce, does.
func Everyone() []string {
	return slices.DeleteFunc(known(), func(n string) bool { return n == "table" })
}

// overrides make an experiment one of the contender's.
func (c Contender) overrides(from string) []strict.Override {
	set := []strict.Override{{Path: "partitioner.name", Value: c.Partitioner, From: from}}
	if c.Checkpoint != "" {
		set = append(set, strict.Override{Path: "partitioner.saspartitioner.checkpoint", Value: c.Checkpoint, From: from})
	}
	if c.Combine {
		set = append(set, strict.Override{Path: "job.combine", Value: string(engine.CombineLocal), From: from})
	}
	return set
}

// Policy names the checkpoint that the contender follows, with its digest; "" for those that
// follow none.
func (c Contender) Policy() (string, error) {
	p, err := c.open()
	if err != nil || p == nil {
		return "", err
	}
	return fmt.Sprintf("%s, sha256 %.12s", c.Checkpoint, p.Digest), nil
}

// open reads the checkpoint that the contender follows; nil for those that follow none.
func (c Contender) open() (*checkpoint.Checkpoint, error) {
	if c.Checkpoint == "" || c.Checkpoint == table.Untrained {
		return nil, nil
	}
	return checkpoint.Open(c.Checkpoint)
}

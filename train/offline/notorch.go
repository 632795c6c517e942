//go:build !torch

package offline

import (
	"context"

	"github.com/saspart/saspart/train"
)

// Available reports whether this build can train.
const Available = false

// Run needs libtorch: it returns train.ErrUnavailable.
func (r *Training) Run(context.Context) (Outcome, error) { return Outcome{}, train.ErrUnavailable }

//go:build !torch

package train

import "context"

// Available tells whether this build can train.
const Available = false

// Run needs libtorch: it returns ErrUnavailable.
func (r *Offline) Run(context.Context) (Outcome, error) { return Outcome{}, ErrUnavailable }

//go:build torch

package shares

import "github.com/saspart/saspart/train"

var _ = define(train.BC, algorithm{update: (*Trainer).bc})

// bc is one update of behaviour cloning:
//
//	policy : -mean log pi(a|s)
func (t *Trainer) bc(b *batch) {
	loss := t.imitation(t.policy(b.s), b)
	t.stepPolicy(loss)
}

// Package tensor is autograd as learners use it: tensors of libtorch that a Scope owns, and
// networks whose passes are nodes of the graph. It uses gotch's C binding (libtch): gotch's
// ts package costs 100 KB of Go memory, a lock and a finalizer per tensor. All of it but this
// comment is behind the build tag torch.
package tensor

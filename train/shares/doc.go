// Package shares trains the shares action: an algorithm per file, each update from top to
// bottom (docs/algorithms.md, "Learners"), on train/internal/tensor. All of it but this
// comment is behind the build tag torch.
package shares

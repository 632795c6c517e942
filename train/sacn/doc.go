// Package sacn trains the shares action: SAC-N, CQL(H) on top of it, and behaviour cloning
// (docs/algorithms.md, "SAC-N"), with critics that know of loads if wanted. All of it but this
// comment is behind the build tag torch.
package sacn

// Package nn has the kernels of training: networks forward and backward on libtorch's BLAS,
// their parameters and steps, random numbers, and threads. All of it but this comment is
// behind the build tag torch. The C++ is serial and keeps no state.
package nn

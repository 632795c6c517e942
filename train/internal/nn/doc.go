// Package nn is what trainers compute with: networks forward and backward, their parameters
// and steps, random numbers, and threads. It is the one package that knows libtorch; all of
// it but this comment is behind the build tag torch. The C++ is serial and keeps no state.
package nn

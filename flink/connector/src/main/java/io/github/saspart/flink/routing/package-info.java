/**
 * The partitioners of package {@code partition} of the Go module, for Flink: each routes every
 * record exactly as its twin in Go does, which shared vectors in {@code testdata/routing} prove.
 *
 * <p>A subtask owns one {@link io.github.saspart.flink.routing.Router}: no locks, no allocation
 * per record, no clock and no global randomness. The package knows nothing of Flink or gRPC.
 */
package io.github.saspart.flink.routing;

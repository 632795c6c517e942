/**
 * The records of the jobs: the same streams as the Go jobs' {@code stream} package makes. For the same
 * configuration, seed and number of splits the keys, sentences, values and arrival times are the same
 * ones; only rounding in the last bit of a probability could tell them apart.
 *
 * <p>What makes records is pure: the seed and the records' times go in, and the position can be saved
 * and taken up again. {@link io.github.saspart.flink.jobs.source.JobSource} runs it on the wall clock.
 */
package io.github.saspart.flink.jobs.source;

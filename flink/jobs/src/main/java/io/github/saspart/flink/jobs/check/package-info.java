/** Compares the results of a job with a computation on one thread. */
package io.github.saspart.flink.jobs.check;

/**
 * The jobs of the toolkit on Apache Flink: word counts, t-digests and counts over sliding windows, with the
 * sources, tasks and capacities of the Go jobs, partitioned by the connector.
 */
package io.github.saspart.flink.jobs;

/** What the jobs compute per key and window: the tasks of the Go jobs as aggregate functions. */
package io.github.saspart.flink.jobs.task;

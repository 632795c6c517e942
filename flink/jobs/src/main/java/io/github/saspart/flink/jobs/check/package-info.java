/** Tells whether the results of a job are what a computation on one thread gives. */
package io.github.saspart.flink.jobs.check;

/** What bounds a worker: the machine, or a capacity that is emulated so that many workers fit few cores. */
package io.github.saspart.flink.jobs.work;

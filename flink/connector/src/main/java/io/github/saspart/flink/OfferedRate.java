package io.github.saspart.flink;

import java.io.Serializable;

/**
 * Tells at what rate records are due at a partitioner subtask, for its report. Without one, the rate
 * at which they come counts as that at which they are due.
 */
@FunctionalInterface
public interface OfferedRate extends Serializable {
    /** Records per second that are due now at this partitioner subtask; called once a slide, on any thread. */
    double recordsPerSecond(int subtask);
}

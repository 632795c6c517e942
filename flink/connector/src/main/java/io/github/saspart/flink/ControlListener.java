package io.github.saspart.flink;

import java.io.Serializable;

/**
 * Hears what the owner of the policy server wants of the job besides routes. It is called in each
 * process that has partitioner subtasks, once for each of them, on a thread that must not be held up.
 * A stream to the server that begins anew repeats what was said before.
 */
public interface ControlListener extends Serializable {
    /**
     * Sources should send at another rate from now on.
     *
     * @param subtask the partitioner subtask that was told
     * @param recordsPerSecond of the whole job, over all of its sources; 0 is a pause
     */
    void rate(int subtask, double recordsPerSecond);

    /** Sources should end, as if they had no more records. */
    void end(int subtask);
}

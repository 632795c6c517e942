package io.github.saspart.flink.jobs.work;

import io.github.saspart.flink.WorkFunction;
import io.github.saspart.flink.jobs.source.Event;
import io.github.saspart.flink.jobs.task.Task;

/** Native workers that repeat the work of a record as often as a ratio says. */
public final class Repetition<ACC> implements WorkFunction<Event, ACC> {
    private static final long serialVersionUID = 1;

    /** Records in the state that takes the repeated work: as large as a heavy key's, and no larger. */
    private static final long MOST = 4096;

    private final Task<ACC> task;
    private final double again;
    private transient ACC extra;
    private transient double owed;

    /** @param ratio how often the work of a record is done; below 1 counts as 1 */
    public Repetition(Task<ACC> task, double ratio) {
        this.task = task;
        again = Math.max(0, ratio - 1);
    }

    @Override
    public long record(int worker, Event event) {
        for (owed += again; owed >= 1; owed--) {
            if (extra == null || task.records(extra) >= MOST) {
                extra = task.createAccumulator();
            }
            extra = task.add(event, extra);
        }
        return task.units(event);
    }
}

package io.github.saspart.flink.jobs.work;

import io.github.saspart.flink.WorkFunction;
import io.github.saspart.flink.jobs.source.Event;
import io.github.saspart.flink.jobs.task.Task;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongSupplier;

/** Workers and reducers of a given capacity: the work is really done, and then the service time waited out. */
public final class Emulation<ACC> implements WorkFunction<Event, ACC> {
    private static final long serialVersionUID = 1;

    private final Task<ACC> task;
    private final WorkConfig config;
    private transient Pacer pacer;
    private transient double last;

    /** The capacity that {@code config} describes, for a task. */
    public Emulation(Task<ACC> task, WorkConfig config) {
        this.task = task;
        this.config = config;
    }

    @Override
    public void open(LongSupplier busyNanos) {
        open(busyNanos, LockSupport::parkNanos);
    }

    void open(LongSupplier busyNanos, Pacer.Sleeper sleeper) {
        pacer = new Pacer(busyNanos, sleeper);
    }

    @Override
    public long record(int worker, Event event) {
        long units = task.units(event);
        last = (config.record + units * config.unit) * config.ratio / config.speeds[worker];
        pacer.book(last);
        return units;
    }

    @Override
    public double nanos() {
        return last;
    }

    @Override
    public void pane(int worker, ACC pane) {
        pacer.book(task.size(pane) * config.pane / config.speeds[worker]);
    }

    @Override
    public void emit(int worker, ACC partial) {
        pacer.book(config.emit / config.speeds[worker]);
    }

    @Override
    public void merge(int reducer, ACC partial) {
        pacer.book(config.merge + task.size(partial) * config.entry);
    }
}

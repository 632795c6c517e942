package io.github.saspart.flink.jobs.task;

import io.github.saspart.flink.jobs.source.Event;

/** Counts the records of each key. */
final class CountTask extends Task<Long> {
    private static final long serialVersionUID = 1;

    CountTask(boolean renders) {
        super(renders);
    }

    @Override
    public Long createAccumulator() {
        return 0L;
    }

    @Override
    public Long add(Event event, Long count) {
        return count + 1;
    }

    @Override
    public Long merge(Long a, Long b) {
        return a + b;
    }

    @Override
    public long units(Event event) {
        return 0;
    }

    @Override
    public long size(Long count) {
        return 1;
    }

    @Override
    public long records(Long count) {
        return count;
    }

    @Override
    public String exact(Long count) {
        return count.toString();
    }
}

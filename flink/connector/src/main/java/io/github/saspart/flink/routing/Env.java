package io.github.saspart.flink.routing;

import java.io.Serializable;

/** What a job tells its routers when they are made. */
public final class Env implements Serializable {
    private static final long serialVersionUID = 1;

    /** P, the number of workers. */
    public final int workers;
    /** This partitioner subtask, from 0. */
    public final int subtask;
    /** How many partitioner subtasks there are. */
    public final int subtasks;
    /** Length of a slide in ns. */
    public final long slideNanos;
    /** Slides in an aggregation window. */
    public final int windowSlides;
    /** Slides in a metric window. */
    public final int metricSlides;
    /** The job's seed; routers derive their own random stream from it and the subtask. */
    public final long seed;

    /** Holds these values; an {@link IllegalArgumentException} names the first impossible one. */
    public Env(int workers, int subtask, int subtasks, long slideNanos, int windowSlides, int metricSlides, long seed) {
        within("workers", workers, 1, Route.MAX_WORKERS);
        within("subtasks", subtasks, 1, Integer.MAX_VALUE);
        within("subtask", subtask, 0, subtasks - 1);
        within("slide in ns", slideNanos, 1, Long.MAX_VALUE);
        within("slides of an aggregation window", windowSlides, 1, 1 << 20);
        within("slides of a metric window", metricSlides, 1, 1 << 20);
        this.workers = workers;
        this.subtask = subtask;
        this.subtasks = subtasks;
        this.slideNanos = slideNanos;
        this.windowSlides = windowSlides;
        this.metricSlides = metricSlides;
        this.seed = seed;
    }

    private static void within(String what, long value, long lowest, long highest) {
        if (value < lowest || value > highest) {
            throw new IllegalArgumentException(
                    what + ": is " + value + "; it must be from " + lowest + " to " + highest);
        }
    }
}

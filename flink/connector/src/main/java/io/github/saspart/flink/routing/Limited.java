package io.github.saspart.flink.routing;

/** A {@link Router} that keeps every worker within its capacity, record by record ({@code table}). */
public interface Limited {
    /**
     * Adopts capacities. Called after every window that a controller has answered with capacities, with or
     * without a new route. Capacities of another number of workers are ignored. What waits at the workers is
     * of the whole job; each subtask takes its equal part of it.
     */
    void within(Capacities capacities);

    /** How many records went to another worker than the route's for the capacities' sake, since the last call. */
    long takeOverflowed();
}

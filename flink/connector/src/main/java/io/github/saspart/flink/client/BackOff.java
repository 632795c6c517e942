package io.github.saspart.flink.client;

import java.util.Random;

/**
 * How long to wait before trying again: from 0.1 s, half as much again each time up to 5 s, each
 * within a fifth by chance, so that those attached to a server that comes back do not come all at
 * once.
 */
final class BackOff {
    private static final double FIRST_MILLIS = 100;
    private static final double MOST_MILLIS = 5000;

    private final Random jitter;
    private int failures;

    BackOff(Random jitter) {
        this.jitter = jitter;
    }

    /** Begins anew. */
    void reset() {
        failures = 0;
    }

    /** The next wait, ms. */
    long next() {
        double wait = Math.min(MOST_MILLIS, FIRST_MILLIS * Math.pow(1.5, failures++));
        return Math.round(wait * (0.8 + 0.4 * jitter.nextDouble()));
    }
}

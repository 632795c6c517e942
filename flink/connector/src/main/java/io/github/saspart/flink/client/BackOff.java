package io.github.saspart.flink.client;

import java.util.Random;

/**
 * The intervals between attempts: 0.1 s at first, growing by half up to 5 s. Each is varied randomly by
 * a fifth, so that clients do not return to a restarted server all at once.
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

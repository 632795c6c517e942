package io.github.saspart.flink.routing;

/**
 * Finds the smallest of a row of counters that only grow. A clock hand sweeps the row for counters at the
 * level of the sweep, which is the smallest value. On its way it finds the level of the next sweep. Every
 * sweep raises the level by at least 1, so the search costs at most one inspection per unit counted: O(1)
 * amortised.
 */
final class Least {
    private long level; // no counter is below it
    private long next = Long.MAX_VALUE; // the smallest value the hand has passed in this sweep
    private int hand;

    /** The first of the smallest counters, by index: what a scan from the front would find. */
    int find(long[] counts) {
        while (true) {
            long least = next;
            for (int i = hand; i < counts.length; i++) {
                if (counts[i] <= level) {
                    hand = i;
                    next = least;
                    return i;
                }
                least = Math.min(least, counts[i]);
            }
            hand = 0;
            level = least;
            next = Long.MAX_VALUE;
        }
    }

    /** Starts over, after counters were lowered. */
    void reset() {
        hand = 0;
        level = 0;
        next = Long.MAX_VALUE;
    }
}

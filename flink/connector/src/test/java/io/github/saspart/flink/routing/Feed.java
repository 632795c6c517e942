package io.github.saspart.flink.routing;

import java.util.Arrays;

/** Feeds routers with hashes, for tests. */
final class Feed {
    private static final byte[] NO_KEY = {};

    private Feed() {}

    /** A job with one subtask and four slides of 250 ms to either window. */
    static Env env(int workers) {
        return env(workers, 0, 1, 4);
    }

    /** A job whose windows have the given number of slides of 250 ms. */
    static Env env(int workers, int subtask, int subtasks, int slides) {
        return new Env(workers, subtask, subtasks, 250_000_000, slides, slides, 1);
    }

    /** Capacities of which every other one is three times as large. */
    static Capacities unequal(int workers) {
        double[] parts = new double[workers];
        Arrays.setAll(parts, w -> 1 + w % 2 * 2);
        return new Capacities(parts, null);
    }

    /** n times the same hash. */
    static long[] repeat(long hash, int n) {
        long[] hashes = new long[n];
        Arrays.fill(hashes, hash);
        return hashes;
    }

    /** Routes a record. */
    static int send(Router router, long hash) {
        return router.route(hash, NO_KEY, 0, 0);
    }

    /** Routes records, and returns the workers that they went to. */
    static int[] workers(Router router, long... hashes) {
        int[] workers = new int[hashes.length];
        for (int i = 0; i < hashes.length; i++) {
            workers[i] = Router.worker(send(router, hashes[i]));
        }
        return workers;
    }

    /** Routes records, and counts how many each worker gets. */
    static double[] counts(Router router, int workers, long... hashes) {
        double[] counts = new double[workers];
        for (int w : workers(router, hashes)) {
            counts[w]++;
        }
        return counts;
    }

    /** The largest of these over their mean. */
    static double skew(double[] counts) {
        return Arrays.stream(counts).max().getAsDouble() / Arrays.stream(counts).average().getAsDouble();
    }
}

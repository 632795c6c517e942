package io.github.saspart.flink.routing;

import java.util.Arrays;

/**
 * The (hot key, worker) pairs that a rule may use. Keys are known by rank: 0 is the heaviest. The
 * workers form a line of length P. The true hot keys past the first spread divide it in proportion to
 * their weights. A key may use every worker that its stretch touches, so neighbours share the worker in
 * which one ends and the next begins.
 */
final class HotMask {
    private HotMask() {}

    /**
     * The allowed workers of every true hot key by rank, ascending, at least one each.
     *
     * @param weights of the hot keys, descending, of any scale
     * @param spread how many of the first keys may use every worker
     * @param trueHot the number of true hot keys; 0 derives it from the weights
     * @param published derive it as in the published code, faults included
     */
    static int[][] allowed(
            double[] weights, int workers, int spread, int trueHot, boolean published) {
        int hot = trueHot == 0 ? trueHot(weights, workers, published) : trueHot;
        hot = Math.min(hot, weights.length);
        int spreaded = Math.min(spread, hot);
        int[][] allowed = new int[hot][];
        for (int i = 0; i < spreaded; i++) {
            allowed[i] = span(0, workers);
        }
        double total = 0;
        for (int i = spreaded; i < hot; i++) {
            total += weights[i];
        }
        double end = 0; // of the stretches so far
        for (int i = spreaded; i < hot; i++) {
            // A stretch that rounds to nothing at the line's end gets the last worker.
            int first = Math.min((int) Math.floor(end), workers - 1);
            if (total > 0) {
                end += weights[i] / total * workers;
            }
            int past = Math.min(workers, (int) Math.ceil(end));
            allowed[i] = span(first, Math.max(past, first + 1));
        }
        return allowed;
    }

    /**
     * The automatic number of true hot keys: the first index i with P*weights[i] at most weights[0] +
     * ... + weights[i]. Key i is then no heavier than a worker's part of the keys down to it, spread over
     * all workers. Where no index qualifies, the published code answers 0; this code answers all of them.
     */
    static int trueHot(double[] weights, int workers, boolean published) {
        double sum = 0;
        for (int i = 0; i < weights.length; i++) {
            sum += weights[i];
            if (workers * weights[i] <= sum) {
                return i;
            }
        }
        return published ? 0 : weights.length;
    }

    /** The workers first..past-1. */
    private static int[] span(int first, int past) {
        int[] workers = new int[past - first];
        Arrays.setAll(workers, i -> first + i);
        return workers;
    }
}

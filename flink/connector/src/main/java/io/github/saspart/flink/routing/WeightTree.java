package io.github.saspart.flink.routing;

import java.util.Arrays;

/**
 * Draws arms in proportion to their weights; a draw or a changed weight costs O(log n). Every inner
 * node is the sum of the two below, added anew on the way up, so that errors don't pile up.
 */
final class WeightTree {
    private double[] sums = new double[2]; // heap-shaped; the leaves are base..base+n-1
    private int base = 1;

    /** Makes room for n arms of weight 0. */
    void reset(int n) {
        base = BestTree.leaves(n);
        if (sums.length < 2 * base) {
            sums = new double[2 * base];
        }
        Arrays.fill(sums, 0);
    }

    /** Gives the arm a weight, at least 0. */
    void set(int arm, double weight) {
        int at = base + arm;
        sums[at] = weight;
        for (at /= 2; at > 0; at /= 2) {
            sums[at] = sums[2 * at] + sums[2 * at + 1];
        }
    }

    /**
     * The arm at u of the way through the weights laid end to end, u in [0,1). The weights must not
     * all be 0.
     */
    int draw(double u) {
        double left = u * sums[1];
        int at = 1;
        while (at < base) {
            at *= 2;
            // Rounding must not lead into a branch without weight.
            if (left >= sums[at] && sums[at + 1] > 0) {
                left -= sums[at];
                at++;
            }
        }
        return at - base;
    }
}

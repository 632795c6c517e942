package io.github.saspart.flink.routing;

import java.util.Arrays;

/**
 * Draws arms in proportion to their weights; a draw or a changed weight costs O(log n). Every inner
 * node is the sum of the two below, added anew on the way up, so that errors don't pile up.
 */
final class WeightTree {
    private double[] sum = {}; // heap-shaped; the leaves are base..base+n-1
    private int base;

    /** Makes room for n arms of weight 0. */
    void reset(int n) {
        base = 1;
        while (base < n) {
            base *= 2;
        }
        if (sum.length < 2 * base) {
            sum = new double[2 * base];
        }
        Arrays.fill(sum, 0);
    }

    /** Gives the arm a weight, at least 0. */
    void set(int arm, double weight) {
        int at = base + arm;
        sum[at] = weight;
        for (at /= 2; at > 0; at /= 2) {
            sum[at] = sum[2 * at] + sum[2 * at + 1];
        }
    }

    /** The arm at u of the way through the weights laid end to end, u from 0 to below 1. */
    int draw(double u) {
        u *= sum[1];
        int at = 1;
        while (at < base) {
            at *= 2;
            // Rounding must not lead into a branch without weight.
            if (u >= sum[at] && sum[at + 1] > 0) {
                u -= sum[at];
                at++;
            }
        }
        return at - base;
    }
}

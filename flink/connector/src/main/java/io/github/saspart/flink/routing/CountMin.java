package io.github.saspart.flink.routing;

import java.util.Arrays;

/**
 * The Count-Min sketch (Cormode and Muthukrishnan 2005) as the public Dalton code sizes it:
 * ceil(2/epsilon) columns, ceil(log2(1/(1-confidence))) rows. An estimate is never too low, and too
 * high by more than epsilon times the total with probability 1-confidence at most.
 */
final class CountMin {
    private final int[] cells; // rows x width, unsigned
    private final int width;

    CountMin(double epsilon, double confidence) {
        width = (int) Math.ceil(2 / epsilon);
        cells = new int[rows(confidence) * width];
    }

    /** ceil(-log2(1-confidence)), at least 1: minus the exponent, with no logarithm to round. */
    static int rows(double confidence) {
        return Math.max(1, -Math.getExponent(1 - confidence));
    }

    /** Counts a record of the key and returns the estimate of its count. */
    long inc(long hash) {
        long least = 0xffff_ffffL;
        long row = 1;
        for (int at = 0; at < cells.length; at += width, row++) {
            int cell = at + (int) Bits.mulHigh(Hashing.mix(hash ^ row * Bits.MIX), width);
            least = Math.min(least, ++cells[cell] & 0xffff_ffffL);
        }
        return least;
    }

    /** Forgets everything. */
    void clear() {
        Arrays.fill(cells, 0);
    }
}

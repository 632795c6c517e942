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
        int rows = 1;
        while (Math.scalb(1.0, -rows) > 1 - confidence) {
            rows++;
        }
        cells = new int[Math.multiplyExact(rows, width)];
    }

    /** Counts a record of the key and returns the estimate of its count. */
    long inc(long hash) {
        long least = Long.MAX_VALUE;
        long row = Bits.MIX;
        for (int at = 0; at < cells.length; at += width) {
            int cell = at + (int) Bits.mulHigh(Hashing.mix(hash ^ row), width);
            cells[cell]++;
            least = Math.min(least, cells[cell] & 0xffffffffL);
            row += Bits.MIX;
        }
        return least;
    }

    /** Forgets everything. */
    void clear() {
        Arrays.fill(cells, 0);
    }
}

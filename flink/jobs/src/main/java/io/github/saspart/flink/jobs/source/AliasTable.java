package io.github.saspart.flink.jobs.source;

/**
 * Draws from a discrete distribution in constant time: Walker's alias method as constructed by Vose (IEEE
 * Transactions on Software Engineering 17, 1991). There are as many equally likely columns as outcomes;
 * a column stands for its own outcome up to a threshold and for another one above it.
 */
final class AliasTable {
    private final long[] threshold; // probability of the column's own outcome, times 2^64, unsigned
    private final int[] other;

    /** The table of a probability mass function that sums to 1. */
    AliasTable(double[] probabilities) {
        int n = probabilities.length;
        threshold = new long[n];
        other = new int[n];
        double[] scaled = new double[n];
        int[] small = new int[n];
        int[] large = new int[n];
        int smalls = 0;
        int larges = 0;
        for (int i = 0; i < n; i++) {
            scaled[i] = probabilities[i] * n;
            if (scaled[i] < 1) {
                small[smalls++] = i;
            } else {
                large[larges++] = i;
            }
        }
        while (smalls > 0 && larges > 0) {
            int s = small[--smalls];
            int l = large[larges - 1];
            threshold[s] = unsigned(scaled[s] * 0x1p64);
            other[s] = l;
            scaled[l] -= 1 - scaled[s];
            if (scaled[l] < 1) {
                larges--;
                small[smalls++] = l;
            }
        }
        // What is left has probability 1 up to rounding.
        while (smalls > 0) {
            certain(small[--smalls]);
        }
        while (larges > 0) {
            certain(large[--larges]);
        }
    }

    /** Zipf's law by rank, most frequent first: proportional to 1/rank^exponent; 0 is uniform. */
    static AliasTable zipf(int n, double exponent) {
        return new AliasTable(zipfProbabilities(n, exponent));
    }

    static double[] zipfProbabilities(int n, double exponent) {
        double[] p = new double[n];
        double sum = 0;
        for (int i = n - 1; i >= 0; i--) { // the small ones first, to lose fewer bits
            p[i] = Math.pow(i + 1, -exponent);
            sum += p[i];
        }
        for (int i = 0; i < n; i++) {
            p[i] /= sum;
        }
        return p;
    }

    /** The outcome that 64 random bits stand for. */
    int pick(long random) {
        int column = (int) Unsigned.multiplyHigh(random, threshold.length);
        long position = random * threshold.length;
        return Long.compareUnsigned(position, threshold[column]) < 0 ? column : other[column];
    }

    private void certain(int i) {
        threshold[i] = -1;
        other[i] = i;
    }

    /** A number from 0 to below 2^64, cut off to a whole one. */
    private static long unsigned(double v) {
        return v < 0x1p63 ? (long) v : (long) (v - 0x1p63) + Long.MIN_VALUE;
    }
}

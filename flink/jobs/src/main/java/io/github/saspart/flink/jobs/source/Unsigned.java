package io.github.saspart.flink.jobs.source;

/** Arithmetic of unsigned 64-bit numbers. */
final class Unsigned {
    private Unsigned() {}

    /** The high half of random bits times a number above 0: uniform below that number. */
    static long multiplyHigh(long bits, long n) {
        return Math.multiplyHigh(bits, n) + (bits >> 63 & n);
    }
}

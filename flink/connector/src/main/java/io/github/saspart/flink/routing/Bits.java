package io.github.saspart.flink.routing;

/** Unsigned arithmetic that Java 11 lacks or is slow at. */
final class Bits {
    /**
     * 2^64 over the golden ratio, and odd, so that multiplying by it loses nothing: spreads hashes
     * that are not well mixed over the upper bits.
     */
    static final long MIX = 0x9e3779b97f4a7c15L;

    private Bits() {}

    /** The upper half of the product of two unsigned numbers. */
    static long mulHigh(long a, long b) {
        return Math.multiplyHigh(a, b) + (a >> 63 & b) + (b >> 63 & a);
    }

    /** The remainder of an unsigned number by {@code n}, from 1 to 2^31-1. */
    static int mod(long a, int n) {
        long q = (a >>> 1) / n << 1;
        long r = a - q * n;
        return (int) (r >= n ? r - n : r);
    }

    /** The shift that leaves the top bits of a 64-bit number as an index into n, a power of two. */
    static int shiftFor(int n) {
        return 64 - Integer.numberOfTrailingZeros(n);
    }
}

package io.github.saspart.flink.routing;

import java.nio.charset.StandardCharsets;

/**
 * The generator PCG-DXSM (Melissa O'Neill) with 128 bits of state, giving the same numbers as {@code
 * math/rand/v2} of Go 1.26 does from {@code rand.New(rand.NewPCG(seed1, seed2))}.
 */
public final class Pcg {
    private static final long MUL_HI = 2549297995355413924L;
    private static final long MUL_LO = 4865540595714422341L;
    private static final long INC_HI = 6364136223846793005L;
    private static final long INC_LO = 1442695040888963407L;
    private static final long CHEAP_MUL = 0xda942042e4dd58b5L;

    private long hi;
    private long lo;

    /** Starts from these two halves of the state. */
    public Pcg(long seed1, long seed2) {
        hi = seed1;
        lo = seed2;
    }

    /** The high half of the state; a generator that starts from both halves continues the sequence. */
    public long high() {
        return hi;
    }

    /** The low half of the state. */
    public long low() {
        return lo;
    }

    /** The random stream of a partitioner's subtask. */
    static Pcg of(Env env, String name) {
        long hash = Hashing.hash(name.getBytes(StandardCharsets.UTF_8));
        return new Pcg(env.seed, hash + env.subtask);
    }

    /** 64 random bits. */
    public long nextLong() {
        long low = lo * MUL_LO + INC_LO;
        long carry = Long.compareUnsigned(low, INC_LO) < 0 ? 1 : 0;
        long high = Bits.mulHigh(lo, MUL_LO) + hi * MUL_LO + lo * MUL_HI + INC_HI + carry;
        hi = high;
        lo = low;
        high ^= high >>> 32;
        high *= CHEAP_MUL;
        high ^= high >>> 48;
        return high * (low | 1);
    }

    /** A number from 0 to below 1, one of 2^53 that are equally far apart. */
    public double nextDouble() {
        return (nextLong() << 11 >>> 11) * 0x1p-53;
    }

    /**
     * A number from 0 to below {@code n}.
     *
     * @param n at least 1
     */
    public long nextLong(long n) {
        if ((n & n - 1) == 0) {
            return nextLong() & n - 1;
        }
        long x = nextLong();
        long low = x * n;
        if (Long.compareUnsigned(low, n) < 0) {
            // Rejecting the first 2^64 mod n products leaves every result equally likely.
            long rejected = Long.remainderUnsigned(-n, n);
            while (Long.compareUnsigned(low, rejected) < 0) {
                x = nextLong();
                low = x * n;
            }
        }
        return Bits.mulHigh(x, n);
    }

    /** {@link #nextLong(long)} for an int. */
    public int nextInt(int n) {
        return (int) nextLong(n);
    }
}

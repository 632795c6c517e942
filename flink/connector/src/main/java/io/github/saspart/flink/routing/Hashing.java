package io.github.saspart.flink.routing;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * The 64-bit hash of keys: the first half of MurmurHash3 x64 128 with seed 0 (Austin Appleby, public
 * domain), as in the Go module.
 */
public final class Hashing {
    private static final VarHandle LONG =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private static final long C1 = 0x87c37b91114253d5L;
    private static final long C2 = 0x4cf5ad432745937fL;

    private Hashing() {}

    /** The hash of all of {@code key}. */
    public static long hash(byte[] key) {
        return hash(key, 0, key.length);
    }

    /** The hash of {@code length} bytes of {@code key} from {@code offset} on. */
    public static long hash(byte[] key, int offset, int length) {
        long h1 = 0;
        long h2 = 0;
        int at = offset;
        int end = offset + length;
        for (; end - at >= 16; at += 16) {
            h1 ^= mix1((long) LONG.get(key, at));
            h1 = (Long.rotateLeft(h1, 27) + h2) * 5 + 0x52dce729;
            h2 ^= mix2((long) LONG.get(key, at + 8));
            h2 = (Long.rotateLeft(h2, 31) + h1) * 5 + 0x38495ab5;
        }
        if (end - at > 8) {
            h2 ^= mix2(tail(key, at + 8, end));
        }
        if (end > at) {
            h1 ^= mix1(tail(key, at, Math.min(end, at + 8)));
        }
        h1 ^= length;
        h2 ^= length;
        h1 += h2;
        h2 += h1;
        return mix(h1) + mix(h2);
    }

    /**
     * The finaliser of MurmurHash3: a bijection of 64 bits in which every input bit reaches every
     * output bit.
     */
    static long mix(long h) {
        h ^= h >>> 33;
        h *= 0xff51afd7ed558ccdL;
        h ^= h >>> 33;
        h *= 0xc4ceb9fe1a85ec53L;
        return h ^ h >>> 33;
    }

    private static long mix1(long k) {
        return Long.rotateLeft(k * C1, 31) * C2;
    }

    private static long mix2(long k) {
        return Long.rotateLeft(k * C2, 33) * C1;
    }

    /** Up to eight bytes from {@code from} to before {@code to}, the first the lowest. */
    private static long tail(byte[] key, int from, int to) {
        if (to - from == 8) {
            return (long) LONG.get(key, from);
        }
        long k = 0;
        for (int i = to - 1; i >= from; i--) {
            k = k << 8 | key[i] & 0xff;
        }
        return k;
    }
}

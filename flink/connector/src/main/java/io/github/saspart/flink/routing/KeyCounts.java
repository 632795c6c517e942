package io.github.saspart.flink.routing;

import java.util.Arrays;

/**
 * Counts keys exactly, by hash, in an open-addressing table that is cleared in O(1). Memory is
 * bounded: at the limit the rarest keys are dropped, at least half of them at once, and start again
 * from 0 when they return. A count is therefore never too high, and for a key heavier than the
 * dropped ones it is exact.
 */
final class KeyCounts {
    /** Bounds a table: 2^20 slots hold some 650,000 keys. */
    static final int SLOTS = 1 << 20;

    private static final int MOST = -1; // the highest count there is, unsigned

    // Two elements a slot: the hash, and the generation << 32 | the count. A slot of another
    // generation is empty.
    private long[] slots;
    private long[] spare; // the other half of the last rebuild, once there was one at the limit
    private final int limit;
    private int generation = 1;
    private int used;

    /** Makes a table that grows up to {@code limit} slots, a power of two of at least 16. */
    KeyCounts(int limit) {
        this.limit = limit;
        slots = new long[2 * Math.min(1024, limit)];
    }

    /** Counts a record of the key and returns its count. */
    long inc(long hash) {
        int mask = slots.length - 2;
        for (int i = home(hash); ; i = i + 2 & mask) {
            long s = slots[i + 1];
            if ((int) (s >>> 32) != generation) {
                if (used >= slots.length / 2 * 5 / 8) {
                    makeRoom();
                    return inc(hash);
                }
                slots[i] = hash;
                slots[i + 1] = (long) generation << 32 | 1;
                used++;
                return 1;
            }
            if (slots[i] == hash) {
                if ((int) s != MOST) {
                    s++;
                    slots[i + 1] = s;
                }
                return s & 0xffffffffL;
            }
        }
    }

    /** How many keys are counted. */
    int size() {
        return used;
    }

    /** Forgets all keys. */
    void clear() {
        used = 0;
        generation++;
        if (generation == 0) { // wrapped: slots of 2^32 clears ago would come back to life
            Arrays.fill(slots, 0);
            generation = 1;
        }
    }

    private int home(long hash) {
        return (int) (hash * Bits.MIX >>> Bits.shiftFor(slots.length / 2)) * 2;
    }

    /** Doubles the table, or at the limit drops the rarest keys. */
    private void makeRoom() {
        long[] old = slots;
        int alive = generation;
        long least = 0;
        if (old.length < 2 * limit) {
            slots = new long[2 * old.length];
        } else {
            do {
                least = Math.max(1, 2 * least);
            } while (above(least) > used / 2);
            slots = spare != null ? spare : new long[old.length];
            Arrays.fill(slots, 0);
            spare = old;
        }
        used = 0;
        generation = 1;
        for (int i = 0; i < old.length; i += 2) {
            long s = old[i + 1];
            if ((int) (s >>> 32) == alive && (s & 0xffffffffL) > least) {
                insert(old[i], s & 0xffffffffL);
            }
        }
    }

    /** How many keys have more than {@code least} records. */
    private int above(long least) {
        int n = 0;
        for (int i = 1; i < slots.length; i += 2) {
            if ((int) (slots[i] >>> 32) == generation && (slots[i] & 0xffffffffL) > least) {
                n++;
            }
        }
        return n;
    }

    /** Adds a key that is not in the table, which has room. */
    private void insert(long hash, long count) {
        int mask = slots.length - 2;
        int i = home(hash);
        while ((int) (slots[i + 1] >>> 32) == generation) {
            i = i + 2 & mask;
        }
        slots[i] = hash;
        slots[i + 1] = (long) generation << 32 | count;
        used++;
    }
}

package io.github.saspart.flink.routing;

import java.util.Arrays;

/**
 * Remembers when a key was last sent to each of its two choices, in an open-addressing table of
 * bounded size. Slides are counted from 1 in it and, like windows, unsigned.
 */
final class SeenKeys {
    // Two elements a slot: the hash, and the last slides at the first and, << 32, at the second
    // choice; 0 is never, and both 0 is an empty slot.
    private long[] slots;
    private long[] spare; // as long as slots, of the last rebuild at that size; or null
    private final int limit;
    private int used;

    /** Makes a table that grows up to {@code limit} slots, a power of two of at least 16. */
    SeenKeys(int limit) {
        this.limit = limit;
        slots = new long[2 * Math.min(1024, limit)];
    }

    /** The key's place, made if there is none; the caller notes a sighting there. */
    int find(long hash, int now, int window) {
        int mask = slots.length - 2;
        for (int i = home(hash); ; i = i + 2 & mask) {
            if (slots[i + 1] == 0) {
                if (used >= slots.length / 2 * 5 / 8) {
                    makeRoom(now, window);
                    return find(hash, now, window);
                }
                used++;
                slots[i] = hash;
                return i;
            }
            if (slots[i] == hash) {
                return i;
            }
        }
    }

    /** Whether the choice, 0 or 1, saw the key within the window that ends now. */
    boolean alive(int place, int choice, int now, int window) {
        return alive((int) (slots[place + 1] >>> 32 * choice), now, window);
    }

    /** Notes that the key is sent to the choice, 0 or 1, now. */
    void sight(int place, int choice, int now) {
        int shift = 32 * choice;
        slots[place + 1] = slots[place + 1] & ~(0xffffffffL << shift) | (now & 0xffffffffL) << shift;
    }

    /** How many keys are remembered, those that have left the window among them. */
    int size() {
        return used;
    }

    private static boolean alive(int at, int now, int window) {
        return at != 0 && Integer.compareUnsigned(now - at, window) < 0;
    }

    private static boolean eitherAlive(long at, int now, int window) {
        return alive((int) at, now, window) || alive((int) (at >>> 32), now, window);
    }

    private int home(long hash) {
        return (int) (hash * Bits.MIX >>> Bits.shiftFor(slots.length / 2)) * 2;
    }

    /**
     * Drops the keys that the window has left behind; if those are few it doubles the table, or at
     * the limit drops the keys seen longest ago.
     */
    private void makeRoom(int now, int window) {
        long[] old = slots;
        int size = old.length / 2;
        int half = used / 2;
        int live = within(now, window);
        if (live > half && size < limit) {
            size *= 2;
        } else {
            window = Integer.compareUnsigned(window, now) < 0 ? window : now;
            while (live > half) {
                window >>>= 1;
                live = within(now, window);
            }
        }
        if (spare != null && spare.length == 2 * size) {
            slots = spare;
            Arrays.fill(slots, 0);
        } else {
            slots = new long[2 * size];
        }
        spare = old.length == 2 * size ? old : null;
        used = 0;
        for (int i = 0; i < old.length; i += 2) {
            if (eitherAlive(old[i + 1], now, window)) {
                insert(old[i], old[i + 1]);
            }
        }
    }

    private void insert(long hash, long at) {
        int mask = slots.length - 2;
        int i = home(hash);
        while (slots[i + 1] != 0) {
            i = i + 2 & mask;
        }
        slots[i] = hash;
        slots[i + 1] = at;
        used++;
    }

    /** Counts the keys seen in the window that ends now. */
    private int within(int now, int window) {
        int n = 0;
        for (int i = 1; i < slots.length; i += 2) {
            if (eitherAlive(slots[i], now, window)) {
                n++;
            }
        }
        return n;
    }
}

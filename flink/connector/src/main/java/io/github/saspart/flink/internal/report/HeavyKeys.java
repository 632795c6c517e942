package io.github.saspart.flink.internal.report;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Counts the heavy keys of a stream in bounded memory, at the cost of one look-up for nearly every
 * record. A key without a counter is given one, if it may have had more records than the
 * <em>floor</em>, which is 0 at first. When no counter is free, at least half of them are taken away at
 * once, those with the smallest counts, and the largest of these becomes the floor. Keys without a
 * counter are counted too, together with all keys whose hashes have the same first bits. When that count
 * reaches the floor, the next record gives its key a counter. The counter starts at that count and has
 * the floor as its error. So most keys with one or two records cost only an addition.
 *
 * <p>After N records with m counters, count &gt;= the true count &gt;= count - error for every key with a
 * counter. No key without a counter has had more than the floor, and the floor is at most 2N/m. Consider
 * the sum of the counters' excess over the floor. A record raises it by at most 1. Raising the floor by d
 * lowers it by dm/2 or more, as half the counters exceeded it by d or more.
 *
 * <p>The idea is that of Misra and Gries, Finding repeated elements, 1982. Many decrements at a time are
 * from Anderson et al., A high-performance algorithm for identifying frequent items in data streams,
 * 2017. The filter is from Homem and Carvalho, Finding top-k elements in data streams, 2010.
 *
 * <p>Counting allocates nothing once the memory for names has grown to the longest. Has one owner.
 */
final class HeavyKeys {
    private static final long MIX = 0x9e3779b97f4a7c15L; // spreads hashes that agree in their lower bits

    /**
     * Open addressing, at most half full: a key's hash and its count, 0 in a free cell. They are side by
     * side, as a look-up of a key that is not in the processor's cache has to wait for memory.
     */
    private final long[] cells;
    private final int shift; // of the mixed hash, giving where the search for it begins

    private final int[] counters; // by cell: what else is known of the key is at this index of the next three
    private final long[] errors;
    private final byte[][] names;
    private final int[] nameLengths;

    private final int[] free; // counters that are, from the front
    private int used; // counters that are not
    private long floor;

    /** By where the search for a hash begins: no key from there without a counter has had more; up to the floor. */
    private final long[] passed;

    // What makeRoom keeps.
    private final long[] kept;
    private final int[] keptCounters;

    /** Makes one with {@code most} counters, a power of two of at least 2. */
    HeavyKeys(int most) {
        cells = new long[4 * most];
        shift = 64 - Integer.numberOfTrailingZeros(2 * most);
        counters = new int[2 * most];
        errors = new long[most];
        names = new byte[most][16];
        nameLengths = new int[most];
        passed = new long[2 * most];
        free = IntStream.range(0, most).toArray();
        kept = new long[2 * most];
        keptCounters = new int[most];
    }

    /** Counts a record of a key, whose name is the first {@code length} bytes. */
    void see(long hash, byte[] name, int length) {
        int at = find(hash);
        if (cells[at + 1] != 0) {
            cells[at + 1]++;
            return;
        }
        int home = home(hash);
        if (passed[home] < floor) {
            passed[home]++;
        } else if (used < free.length) {
            admit(at, hash, name, length);
        } else {
            makeRoom();
            see(hash, name, length); // the floor is higher
        }
    }

    /** The number of keys that have a counter. */
    int size() {
        return used;
    }

    /** The most records that a key without a counter can have had. */
    long floor() {
        return floor;
    }

    /** A key that has a counter. */
    static final class Key {
        final long hash;
        final byte[] name;
        /** Its records, never too low. */
        final long count;
        /** By how much the count may be too high. */
        final long error;

        private Key(long hash, byte[] name, long count, long error) {
            this.hash = hash;
            this.name = name;
            this.count = count;
            this.error = error;
        }
    }

    /** The {@code most} keys with the largest counts, heaviest first, equals by hash. */
    List<Key> top(int most) {
        return IntStream.range(0, counters.length)
                .map(cell -> 2 * cell)
                .filter(at -> cells[at + 1] != 0)
                .boxed()
                .sorted((a, b) -> cells[a + 1] != cells[b + 1]
                        ? Long.compare(cells[b + 1], cells[a + 1])
                        : Long.compareUnsigned(cells[a], cells[b]))
                .limit(most)
                .map(at -> {
                    int counter = counters[at / 2];
                    byte[] name = Arrays.copyOf(names[counter], nameLengths[counter]);
                    return new Key(cells[at], name, cells[at + 1], errors[counter]);
                })
                .collect(Collectors.toList());
    }

    /** Forgets everything. */
    void reset() {
        Arrays.fill(cells, 0);
        Arrays.fill(passed, 0);
        for (int i = 0; i < free.length; i++) {
            free[i] = i;
        }
        used = 0;
        floor = 0;
    }

    private void admit(int at, long hash, byte[] name, int length) {
        int counter = free[used++];
        cells[at] = hash;
        cells[at + 1] = floor + 1;
        counters[at / 2] = counter;
        errors[counter] = floor;
        if (names[counter].length < length) {
            names[counter] = new byte[2 * length];
        }
        System.arraycopy(name, 0, names[counter], 0, length);
        nameLengths[counter] = length;
    }

    /** Takes the lighter half of the counters away, and those that are equal to the heaviest of it. */
    private void makeRoom() {
        floor = median();
        int n = 0;
        int freed = used;
        for (int at = 0; at < cells.length; at += 2) {
            if (cells[at + 1] > floor) {
                kept[2 * n] = cells[at];
                kept[2 * n + 1] = cells[at + 1];
                keptCounters[n++] = counters[at / 2];
            } else if (cells[at + 1] != 0) {
                free[--freed] = counters[at / 2];
                int home = home(cells[at]);
                passed[home] = Math.max(passed[home], cells[at + 1]);
            }
        }
        used = n;
        Arrays.fill(cells, 0);
        for (int i = 0; i < n; i++) {
            int at = find(kept[2 * i]);
            cells[at] = kept[2 * i];
            cells[at + 1] = kept[2 * i + 1];
            counters[at / 2] = keptCounters[i];
        }
    }

    /** The smallest number that at most half the counts are above. All are above the floor. */
    private long median() {
        long low = floor; // more than half are above it
        long step = 1;
        while (above(low + step) > used / 2) {
            low += step;
            step *= 2;
        }
        long high = low + step;
        while (high - low > 1) {
            long middle = low + high >>> 1;
            if (above(middle) > used / 2) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return high;
    }

    private int above(long count) {
        int n = 0;
        for (int at = 1; at < cells.length; at += 2) {
            n += cells[at] > count ? 1 : 0;
        }
        return n;
    }

    /** Where a hash is, or could be put. */
    private int find(long hash) {
        int at = 2 * home(hash);
        while (cells[at + 1] != 0 && cells[at] != hash) {
            at = at + 2 & cells.length - 1;
        }
        return at;
    }

    /** The cell in which the search for a hash begins. */
    int home(long hash) {
        return (int) (hash * MIX >>> shift);
    }
}

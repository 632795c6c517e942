package io.github.saspart.flink.internal;

import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * Counts the heavy keys of a stream in bounded memory, at the cost of one look-up for nearly every
 * record. A key without a counter is given one; when none is free, at least half of them are taken
 * away at once, those with the smallest counts, and the largest of these becomes the <em>floor</em>. A new
 * counter begins there, as its key may have had so many records before, and keeps it as its error.
 *
 * <p>After N records with m counters, count &gt;= the true count &gt;= count - error for every key with a
 * counter, no key without one has had more than the floor, and the floor is at most 2N/m: raising it by
 * d goes with half the counters having seen d records or more since it was last raised above them. (The
 * idea is that of Misra and Gries, Finding repeated elements, 1982, many decrements at a time as in
 * Anderson et al., A high-performance algorithm for identifying frequent items in data streams, 2017.)
 *
 * <p>Counting allocates nothing once the memory for names has grown to the longest. Has one owner.
 */
final class HeavyKeys {
    private static final long MIX = 0x9e3779b97f4a7c15L; // spreads hashes that agree in their lower bits

    // Open addressing, at most half full: the hash's upper half << 32 | counter + 1; 0 is free.
    private final long[] index;
    private final int shift; // of the mixed hash, giving where the search for it begins

    private final long[] hashes; // by counter, like the following four
    private final long[] counts;
    private final long[] errors;
    private final byte[][] names;
    private final int[] nameLengths;

    private int used; // counters in use, from the front
    private long floor;

    /** Makes one with {@code counters} counters, a power of two of at least 2. */
    HeavyKeys(int counters) {
        index = new long[2 * counters];
        shift = 64 - Integer.numberOfTrailingZeros(index.length);
        hashes = new long[counters];
        counts = new long[counters];
        errors = new long[counters];
        names = new byte[counters][16];
        nameLengths = new int[counters];
    }

    /** Counts a record of a key, whose name is the first {@code length} bytes. */
    void see(long hash, byte[] name, int length) {
        int mask = index.length - 1;
        int at = home(hash);
        for (long cell = index[at]; cell != 0; cell = index[at]) {
            int counter = (int) cell - 1;
            if (cell >>> 32 == hash >>> 32 && hashes[counter] == hash) {
                counts[counter]++;
                return;
            }
            at = at + 1 & mask;
        }
        if (used == counts.length) {
            makeRoom();
            at = free(hash);
        }
        admit(at, hash, name, length);
    }

    /** The number of keys that have a counter. */
    int size() {
        return used;
    }

    /** The most records that a key without a counter can have had. */
    long floor() {
        return floor;
    }

    /** The {@code most} counters with the largest counts, heaviest first, equals by hash. */
    int[] top(int most) {
        return IntStream.range(0, used)
                .boxed()
                .sorted((a, b) -> counts[a] != counts[b]
                        ? Long.compare(counts[b], counts[a])
                        : Long.compareUnsigned(hashes[a], hashes[b]))
                .limit(most)
                .mapToInt(Integer::intValue)
                .toArray();
    }

    /** The hash of a counter's key. */
    long hash(int counter) {
        return hashes[counter];
    }

    /** The name of a counter's key. */
    byte[] name(int counter) {
        return Arrays.copyOf(names[counter], nameLengths[counter]);
    }

    /** The records of a counter's key, never too low. */
    long count(int counter) {
        return counts[counter];
    }

    /** By how much a count may be too high. */
    long error(int counter) {
        return errors[counter];
    }

    /** Forgets everything. */
    void reset() {
        Arrays.fill(index, 0);
        used = 0;
        floor = 0;
    }

    private void admit(int at, long hash, byte[] name, int length) {
        int counter = used++;
        index[at] = cell(hash, counter);
        hashes[counter] = hash;
        counts[counter] = floor + 1;
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
        Arrays.fill(index, 0);
        int kept = 0;
        for (int i = 0; i < used; i++) {
            if (counts[i] > floor) {
                move(i, kept);
                index[free(hashes[kept])] = cell(hashes[kept], kept);
                kept++;
            }
        }
        used = kept;
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
        for (int i = 0; i < used; i++) {
            n += counts[i] > count ? 1 : 0;
        }
        return n;
    }

    private void move(int from, int to) {
        hashes[to] = hashes[from];
        counts[to] = counts[from];
        errors[to] = errors[from];
        byte[] free = names[to];
        names[to] = names[from];
        names[from] = free;
        nameLengths[to] = nameLengths[from];
    }

    private int home(long hash) {
        return (int) (hash * MIX >>> shift);
    }

    /** Where a hash that is not in the index can be put. */
    private int free(long hash) {
        int at = home(hash);
        while (index[at] != 0) {
            at = at + 1 & index.length - 1;
        }
        return at;
    }

    private static long cell(long hash, int counter) {
        return hash >>> 32 << 32 | counter + 1;
    }
}

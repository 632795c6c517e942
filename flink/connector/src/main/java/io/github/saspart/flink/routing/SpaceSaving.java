package io.github.saspart.flink.routing;

import java.util.Arrays;
import java.util.Comparator;

/**
 * Finds the heavy hitters of a stream in bounded memory (Metwally, Agrawal, El Abbadi: Efficient
 * computation of frequent and top-k elements in data streams, ICDT 2005).
 *
 * <p>There are m counters, each with a key, a count and an error. A record of a key that has a
 * counter raises its count. Any other key takes over the counter with the smallest count (of equals
 * the first). It continues the count, and the old count becomes the error. After N records, count &gt;=
 * the true count &gt;= count - error for every key with a counter. Every key with more than N/m records
 * has one, and no key without one has had more than {@link #floor} records.
 *
 * <p>Counting allocates nothing. Not for concurrent use.
 */
public final class SpaceSaving {
    /** By count, descending, then by hash. */
    private static final Comparator<HotKey> HEAVIEST_FIRST = (a, b) ->
            a.count != b.count ? Long.compare(b.count, a.count) : Long.compareUnsigned(a.hash, b.hash);

    // Open addressing: the mixed hash's upper half << 32 | counter + 1; 0 is free.
    private final long[] index;
    private final int mask;
    private final int shift; // of the mixed hash, giving the home position in index

    private final long[] hashes; // by counter, like the following two
    private final long[] counts;
    private final long[] errors;

    private int used; // counters in use, from the front
    private long total;
    private final Least least = new Least();

    /** Makes a sketch with m counters, at least 1. */
    public SpaceSaving(int counters) {
        int m = Math.max(counters, 1);
        // At most a quarter full, so that probing stays short.
        index = new long[2 << 32 - Integer.numberOfLeadingZeros(2 * m - 1)];
        mask = index.length - 1;
        shift = Bits.shiftFor(index.length);
        hashes = new long[m];
        counts = new long[m];
        errors = new long[m];
    }

    /** Counts a record, and returns its key's counter. */
    int count(long hash) {
        total++;
        int c = lookup(hash);
        if (c >= 0) {
            counts[c]++;
            return c;
        }
        return admit(hash);
    }

    /** Counts a record of a key that shall have no counter for it. */
    void pass() {
        total++;
    }

    /** The estimated count of a key; 0 if it has no counter, and at most {@link #floor} records. */
    public long estimate(long hash) {
        int c = lookup(hash);
        return c < 0 ? 0 : counts[c];
    }

    /** What a counter stands at. */
    long countOf(int counter) {
        return counts[counter];
    }

    /** How much of a counter may belong to other keys. */
    long errorOf(int counter) {
        return errors[counter];
    }

    /** The number of records observed. */
    public long total() {
        return total;
    }

    /** The number of keys that have a counter. */
    public int size() {
        return used;
    }

    /** The most records that a key without a counter can have had, at most total/m. */
    public long floor() {
        return used < counts.length ? 0 : Arrays.stream(counts).min().getAsLong();
    }

    /** The k keys with the largest counts, or all there are, heaviest first, equals by hash. */
    public HotKey[] top(int k) {
        HotKey[] all = new HotKey[used];
        for (int c = 0; c < used; c++) {
            all[c] = new HotKey(hashes[c], counts[c], errors[c]);
        }
        Arrays.sort(all, HEAVIEST_FIRST);
        return Arrays.copyOf(all, Math.min(Math.max(k, 0), all.length));
    }

    /** Forgets everything. */
    public void reset() {
        Arrays.fill(index, 0);
        Arrays.fill(counts, 0);
        used = 0;
        total = 0;
        least.reset();
    }

    /** Gives a key without a counter one, and counts a record of it. */
    private int admit(long hash) {
        int c = used;
        long floor = 0;
        if (c < counts.length) {
            used++;
        } else {
            c = least.find(counts);
            floor = counts[c];
            unlink(hashes[c], c);
        }
        hashes[c] = hash;
        errors[c] = floor;
        counts[c] = floor + 1;
        link(hash, c);
        return c;
    }

    /** The counter of a key, or -1. */
    private int lookup(long hash) {
        long mixed = hash * Bits.MIX;
        for (int p = (int) (mixed >>> shift); ; p++) {
            long e = index[p & mask];
            if (e == 0) {
                return -1;
            }
            if (e >>> 32 == mixed >>> 32 && hashes[(int) e - 1] == hash) {
                return (int) e - 1;
            }
        }
    }

    /** Enters counter c into the index under a hash that is not in it. */
    private void link(long hash, int c) {
        long mixed = hash * Bits.MIX;
        int p = (int) (mixed >>> shift);
        while (index[p] != 0) {
            p = p + 1 & mask;
        }
        index[p] = mixed >>> 32 << 32 | c + 1;
    }

    /**
     * Takes counter c out of the index and closes the gap: entries behind it move up as far as their
     * home allows, so that the index needs no tombstones.
     */
    private void unlink(long hash, int c) {
        int gap = home(hash);
        while ((int) index[gap] != c + 1) {
            gap = gap + 1 & mask;
        }
        for (int p = gap + 1 & mask; index[p] != 0; p = p + 1 & mask) {
            int home = home(hashes[(int) index[p] - 1]);
            if ((p - home & mask) >= (p - gap & mask)) {
                index[gap] = index[p];
                gap = p;
            }
        }
        index[gap] = 0;
    }

    private int home(long hash) {
        return (int) (hash * Bits.MIX >>> shift);
    }

    /** A key with its count, and how much of that may belong to other keys. */
    public static final class HotKey {
        /** The key's hash. */
        public final long hash;
        /** The estimated number of records, never too low. */
        public final long count;
        /** By how much the estimate may be too high. */
        public final long error;

        HotKey(long hash, long count, long error) {
            this.hash = hash;
            this.count = count;
            this.error = error;
        }
    }
}

package io.github.saspart.flink.routing;

import java.util.Arrays;

/**
 * The set of workers that a key went to in the current slide and the slides before it that share an
 * aggregation window with it: a bitset per slide, and their union.
 */
final class WorkerSet {
    private final long[] ring; // slides x words
    private final long[] used; // union of ring
    private final long[] known; // what the rule sees: used, or (keep) all that ever was in it
    private int size; // workers in known

    /**
     * Makes an empty set.
     *
     * @param keep the published behaviour: the public code clears the wrong bit when a slide expires,
     *     so that what a rule knows of a key stays for ever
     */
    WorkerSet(int workers, int slides, boolean keep) {
        int words = (workers + 63) / 64;
        ring = new long[Math.multiplyExact(slides, words)];
        used = new long[words];
        known = keep ? new long[words] : used;
    }

    /** Adds a worker in the slide of that row, and tells whether the rule did not know it there. */
    boolean mark(int worker, int row) {
        int word = worker >> 6;
        long bit = 1L << worker;
        ring[row * used.length + word] |= bit;
        boolean news = (known[word] & bit) == 0;
        if (news) {
            known[word] |= bit;
            size++;
        }
        used[word] |= bit;
        return news;
    }

    /** Whether the rule knows the key at the worker. */
    boolean has(int worker) {
        return (known[worker >> 6] >>> worker & 1) != 0;
    }

    /** How many workers the rule knows. */
    int size() {
        return size;
    }

    /** Whether the key went nowhere but to the worker within the window. */
    boolean only(int worker) {
        for (int i = 0; i < used.length; i++) {
            long others = i == worker >> 6 ? used[i] & ~(1L << worker) : used[i];
            if (others != 0) {
                return false;
            }
        }
        return true;
    }

    /** The j-th worker the rule knows, from 0, in ascending order; j below {@link #size}. */
    int pick(int j) {
        int i = 0;
        for (int n; j >= (n = Long.bitCount(known[i])); i++) {
            j -= n;
        }
        long word = known[i];
        for (; j > 0; j--) {
            word &= word - 1;
        }
        return 64 * i + Long.numberOfTrailingZeros(word);
    }

    /** The lowest worker from {@code from} on that the rule knows, -1 if there is none. */
    int next(int from) {
        for (int i = from >> 6; i < known.length; i++) {
            long word = i == from >> 6 ? known[i] & -1L << from : known[i];
            if (word != 0) {
                return 64 * i + Long.numberOfTrailingZeros(word);
            }
        }
        return -1;
    }

    /** Begins the slide of that row, forgetting what it held before. */
    void endSlide(int row) {
        int words = used.length;
        Arrays.fill(ring, row * words, (row + 1) * words, 0);
        int n = 0;
        for (int i = 0; i < words; i++) {
            long word = 0;
            for (int at = i; at < ring.length; at += words) {
                word |= ring[at];
            }
            used[i] = word;
            n += Long.bitCount(word);
        }
        if (known == used) {
            size = n;
        }
    }

    /** Empties the set. */
    void clear() {
        Arrays.fill(ring, 0);
        Arrays.fill(used, 0);
        Arrays.fill(known, 0);
        size = 0;
    }
}

package io.github.saspart.flink.routing;

import java.util.Arrays;

/**
 * The set of workers that a key went to in the current slide and the slides before it that share an
 * aggregation window with it: a bitset per slide and their union.
 */
final class WorkerSet {
    private final long[] ring; // slides x words
    private final long[] used; // union of ring
    private final long[] known; // what the rule sees: used itself, or (keep) all that ever was in it
    private int size; // workers in known

    /**
     * An empty set of up to {@code workers} workers, for windows of {@code slides} slides. With {@code
     * keep} the rule never forgets a worker, as in the public code, which clears the wrong bit when a
     * slide expires.
     */
    WorkerSet(int workers, int slides, boolean keep) {
        int words = (workers + 63) / 64;
        ring = new long[slides * words];
        used = new long[words];
        known = keep ? new long[words] : used;
    }

    /** How many workers the rule knows. */
    int size() {
        return size;
    }

    /** Adds a worker in the slide of that row, and returns whether the rule did not know it. */
    boolean mark(int worker, int row) {
        int word = worker >>> 6;
        long bit = 1L << worker; // shifts are modulo 64
        ring[row * used.length + word] |= bit;
        boolean news = (known[word] & bit) == 0;
        if (news) {
            known[word] |= bit;
            size++;
        }
        used[word] |= bit;
        return news;
    }

    /** Whether the key went to that worker alone within the window. */
    boolean only(int worker) {
        for (int i = 0; i < used.length; i++) {
            long others = i == worker >>> 6 ? used[i] & ~(1L << worker) : used[i];
            if (others != 0) {
                return false;
            }
        }
        return true;
    }

    /** The j-th worker the rule knows, from 0, in ascending order; j below size. */
    int pick(int j) {
        for (int i = 0; i < known.length; i++) {
            long word = known[i];
            int here = Long.bitCount(word);
            if (j >= here) {
                j -= here;
                continue;
            }
            for (; j > 0; j--) {
                word &= word - 1;
            }
            return 64 * i + Long.numberOfTrailingZeros(word);
        }
        throw new IndexOutOfBoundsException("the set has no such worker");
    }

    /** The next worker the rule knows from that one on, ascending; -1 if there is none. */
    int next(int worker) {
        int i = worker >>> 6;
        if (i >= known.length) {
            return -1;
        }
        long word = known[i] & -1L << worker;
        while (word == 0) {
            if (++i == known.length) {
                return -1;
            }
            word = known[i];
        }
        return 64 * i + Long.numberOfTrailingZeros(word);
    }

    /** Begins the slide of that row, forgetting what it held before. */
    void endSlide(int row) {
        int words = used.length;
        Arrays.fill(ring, row * words, (row + 1) * words, 0);
        int left = 0;
        for (int i = 0; i < words; i++) {
            long word = 0;
            for (int at = i; at < ring.length; at += words) {
                word |= ring[at];
            }
            used[i] = word;
            left += Long.bitCount(word);
        }
        if (known == used) {
            size = left;
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

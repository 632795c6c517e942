package io.github.saspart.flink.routing;

import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * The fixed sequence of workers through which a split key's records cycle. Each worker occurs in it in
 * proportion to its share, spread as evenly as possible.
 */
final class Sequence {
    /** Bounds the length of a sequence, so that a position fits 16 bits. */
    private static final int MAX_TURNS = 1 << 16;

    /** The finest precision in turns per worker: a share is kept to within 1/128 of the mean share. */
    private static final int TURNS_PER_WORKER = 128;

    private Sequence() {}

    /** The sequence of a key, as indices into its workers. Its length is a power of two. */
    static int[] of(Route.Key key) {
        return spread(turns(key));
    }

    /**
     * Rounds a key's shares to counts of whole turns. Their sum is a power of two, as small as keeps
     * every share precise enough, and {@link #MAX_TURNS} at most.
     */
    static int[] turns(Route.Key key) {
        int length = 1;
        while (length < key.size()) {
            length *= 2;
        }
        int[] counts = round(key, length);
        while (2 * length <= MAX_TURNS && !precise(counts, key, length)) {
            length *= 2;
            counts = round(key, length);
        }
        return counts;
    }

    /** A key's shares of {@code length}, rounded by largest remainder: none is off by a whole turn. */
    private static int[] round(Route.Key key, int length) {
        int[] counts = new int[key.size()];
        double[] remainders = new double[key.size()];
        int rest = length;
        for (int i = 0; i < counts.length; i++) {
            counts[i] = (int) (key.share(i) * length);
            remainders[i] = key.share(i) * length - counts[i];
            rest -= counts[i];
        }
        IntStream.range(0, counts.length)
                .boxed()
                .sorted(Comparator.comparingDouble(i -> -remainders[i])) // stable: of equals the first
                .limit(Math.max(rest, 0))
                .forEach(i -> counts[i]++);
        return counts;
    }

    private static boolean precise(int[] counts, Route.Key key, int length) {
        double tolerance = (double) length / counts.length / TURNS_PER_WORKER;
        for (int i = 0; i < counts.length; i++) {
            if (Math.abs(counts[i] - key.share(i) * length) > tolerance) {
                return false;
            }
        }
        return true;
    }

    /**
     * A sequence in which index i occurs counts[i] times, such that in every prefix of n its
     * occurrences differ by less than 1 from its part of n.
     *
     * <p>It schedules occurrences as proportionate fairness schedules tasks (Baruah, Cohen, Plaxton,
     * Varvel: Proportionate progress, Algorithmica 1996). The j-th occurrence may not be before position
     * floor((j-1)*length/count) and must be before ceil(j*length/count). Scheduling the earliest deadline
     * first meets all of these.
     */
    static int[] spread(int[] counts) {
        int length = Arrays.stream(counts).sum();
        int[] sequence = new int[length];
        int[] taken = new int[counts.length];
        int[] released = new int[length]; // by position: an index whose next turn is released there, + 1
        int[] chain = new int[counts.length]; // by index: another one released at the same position, + 1
        Deadlines due = new Deadlines(counts.length);
        for (int i = 0; i < counts.length; i++) {
            if (counts[i] > 0) {
                due.push(deadline(1, length, counts[i]), i);
            }
        }
        for (int t = 0; t < length; t++) {
            for (int i = released[t]; i > 0; i = chain[i - 1]) {
                due.push(deadline(taken[i - 1] + 1, length, counts[i - 1]), i - 1);
            }
            int i = due.pop();
            sequence[t] = i;
            taken[i]++;
            if (taken[i] < counts[i]) {
                // Due at t+1 at the earliest: this position's releases are past.
                int at = Math.max(t + 1, (int) ((long) taken[i] * length / counts[i]));
                chain[i] = released[at];
                released[at] = i + 1;
            }
        }
        return sequence;
    }

    /** ceil(turn * length / count). */
    private static long deadline(int turn, int length, int count) {
        return ((long) turn * length + count - 1) / count;
    }

    /** A heap of pending turns, the earliest deadline at the root, of equals the lowest index. */
    private static final class Deadlines {
        private final long[] heap; // deadline << 16 | index
        private int size;

        Deadlines(int capacity) {
            heap = new long[capacity];
        }

        void push(long deadline, int index) {
            long turn = deadline << 16 | index;
            int i = size++;
            while (i > 0 && heap[(i - 1) / 2] > turn) {
                heap[i] = heap[(i - 1) / 2];
                i = (i - 1) / 2;
            }
            heap[i] = turn;
        }

        int pop() {
            int index = (int) heap[0] & 0xffff;
            long last = heap[--size];
            int i = 0;
            for (int child; (child = 2 * i + 1) < size; i = child) {
                if (child + 1 < size && heap[child + 1] < heap[child]) {
                    child++;
                }
                if (heap[child] >= last) {
                    break;
                }
                heap[i] = heap[child];
            }
            heap[i] = last;
            return index;
        }
    }
}

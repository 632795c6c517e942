package io.github.saspart.flink.routing;

import java.util.Arrays;

/**
 * Finds the least loaded worker of a set, the lowest index among equals.
 *
 * <p>It is a heap over remembered loads. While loads only grow, a remembered load is a lower bound, so a
 * top with a current load is the least of all. Adding a record to a worker costs nothing here. A query
 * costs O(log n) for each worker that has left the top since the last query. That is little for the set
 * of all workers, which is queried often. The set of one key is queried seldom, and with level loads
 * every load in its heap is outdated by then. Such a set is scanned, and so is every small set. After
 * loads have shrunk, refresh.
 */
final class Lightest {
    private static final int FEW = 8; // workers, which is all that most keys get

    private final boolean all;
    private double[] loads; // as remembered; a heap, like workers
    private int[] workers;
    private int size;

    private Lightest(boolean all, int capacity) {
        this.all = all;
        loads = new double[capacity];
        workers = new int[capacity];
    }

    /** The set of all workers from 0 on. */
    static Lightest ofAll(int workers) {
        Lightest l = new Lightest(true, workers);
        l.size = workers;
        for (int w = 0; w < workers; w++) {
            l.workers[w] = w;
        }
        return l;
    }

    /** A set without any workers yet. */
    static Lightest ofNone() {
        return new Lightest(false, FEW);
    }

    /** How many workers the set has. */
    int size() {
        return size;
    }

    /** The i-th member, in no particular order. */
    int member(int i) {
        return workers[i];
    }

    /** Puts a worker, not yet a member, into the set. */
    void add(int worker, double[] load) {
        append(worker, load[worker]);
        for (int i = size - 1; i > 0; ) {
            int up = (i - 1) / 2;
            if (!less(i, up)) {
                return;
            }
            swap(i, up);
            i = up;
        }
    }

    /** Makes the set what the rule knows of a key. */
    void set(WorkerSet members, double[] load) {
        size = 0;
        for (int w = members.next(0); w >= 0; w = members.next(w + 1)) {
            append(w, 0);
        }
        refresh(load);
    }

    private void append(int worker, double load) {
        if (size == workers.length) {
            loads = Arrays.copyOf(loads, 2 * size);
            workers = Arrays.copyOf(workers, 2 * size);
        }
        loads[size] = load;
        workers[size++] = worker;
    }

    /** Empties the set. */
    void clear() {
        size = 0;
    }

    /** The member with the least load. The set must not be empty. */
    int min(double[] load) {
        int tries = size <= 64 ? 0 : size / 8;
        for (; all || tries > 0; tries--) {
            double now = load[workers[0]];
            if (now == loads[0]) {
                return workers[0];
            }
            loads[0] = now;
            down(0);
        }
        int best = workers[0];
        double least = load[best];
        for (int i = 1; i < size; i++) {
            int w = workers[i];
            double now = load[w];
            if (now < least || now == least && w < best) {
                best = w;
                least = now;
            }
        }
        return best;
    }

    /** Takes over loads that may have shrunk. O(n). */
    void refresh(double[] load) {
        for (int i = 0; i < size; i++) {
            loads[i] = load[workers[i]];
        }
        for (int i = size / 2 - 1; i >= 0; i--) {
            down(i);
        }
    }

    private void down(int i) {
        for (int child = 2 * i + 1; child < size; child = 2 * i + 1) {
            if (child + 1 < size && less(child + 1, child)) {
                child++;
            }
            if (!less(child, i)) {
                return;
            }
            swap(i, child);
            i = child;
        }
    }

    private boolean less(int i, int j) {
        return loads[i] < loads[j] || loads[i] == loads[j] && workers[i] < workers[j];
    }

    private void swap(int i, int j) {
        double load = loads[i];
        loads[i] = loads[j];
        loads[j] = load;
        int worker = workers[i];
        workers[i] = workers[j];
        workers[j] = worker;
    }
}

package io.github.saspart.flink.routing;

import java.util.Arrays;

/**
 * Finds the least loaded worker of a set, the lowest index among equals.
 *
 * <p>It is a heap over the loads as they were when last looked at: as long as loads only grow, a
 * remembered load is a lower bound, so a top whose load is still right is the least of all. Adding a
 * record to a worker costs nothing here; a query pays O(log n) for each worker that has left the top
 * since the last one: little for the set of all workers, which is asked for often. The set of one
 * key is not, and where loads are level every load that its heap remembers is out of date by then;
 * so once that shows, or from the start if the set is small, it is scanned. After loads have shrunk,
 * {@link #refresh}.
 */
final class Lightest {
    private static final int SMALL = 64;

    private final boolean all;
    private double[] loads; // by place in the heap, like workers
    private int[] workers;
    private int size;

    /** The set of no workers. */
    Lightest() {
        all = false;
        loads = new double[8];
        workers = new int[8];
    }

    /** The set of all of 0 to below {@code count}. */
    Lightest(int count) {
        all = true;
        loads = new double[count];
        workers = new int[count];
        size = count;
        Arrays.setAll(workers, w -> w);
    }

    /** How many workers are in the set. */
    int size() {
        return size;
    }

    /** The member at a place from 0 to below {@link #size}, in no order. */
    int member(int place) {
        return workers[place];
    }

    /** Puts a worker into the set that is no member yet. */
    void add(int worker, double[] load) {
        append(worker);
        int i = size - 1;
        loads[i] = load[worker];
        for (int up; i > 0 && less(i, up = (i - 1) / 2); i = up) {
            swap(i, up);
        }
    }

    /** Puts a worker into the set that is no member yet; {@link #refresh} must follow. */
    void append(int worker) {
        if (size == workers.length) {
            workers = Arrays.copyOf(workers, 2 * size);
            loads = Arrays.copyOf(loads, 2 * size);
        }
        workers[size++] = worker;
    }

    /** Empties the set. */
    void clear() {
        size = 0;
    }

    /** The member with the least load. The set must not be empty. */
    int min(double[] load) {
        for (int tries = size <= SMALL ? 0 : size / 8; all || tries > 0; tries--) {
            double now = load[workers[0]];
            if (now == loads[0]) {
                return workers[0];
            }
            loads[0] = now;
            down(0);
        }
        int best = workers[0];
        for (int i = 1; i < size; i++) {
            int w = workers[i];
            if (load[w] < load[best] || load[w] == load[best] && w < best) {
                best = w;
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
        for (int child; (child = 2 * i + 1) < size; i = child) {
            if (child + 1 < size && less(child + 1, child)) {
                child++;
            }
            if (!less(child, i)) {
                return;
            }
            swap(i, child);
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

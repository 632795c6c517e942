package io.github.saspart.flink.routing;

/**
 * Counts the records sent to each worker in the current slide and those before it in a window.
 * Counts are doubles, exact up to 2^53, because the rules divide by them.
 */
final class SlideLoads {
    /** Records by worker, over all the slides counted. */
    final double[] load;

    private final double[] settled; // load at the start of the current slide
    private final double[] ring; // slides x workers: what each slide added; empty: keep all for ever
    private double total;
    private int row; // the current slide's row of ring

    /** Counts over the given number of slides; 0 counts since the job's start. */
    SlideLoads(int workers, int slides) {
        load = new double[workers];
        settled = new double[workers];
        ring = new double[Math.multiplyExact(workers, slides)];
    }

    /** Counts a record to a worker. */
    void add(int worker) {
        load[worker]++;
        total++;
    }

    /** The sum of {@link #load}. */
    double total() {
        return total;
    }

    /** Begins a new slide and forgets the oldest one. O(P). */
    void endSlide() {
        if (ring.length == 0) {
            return;
        }
        int ended = row;
        row = (row + load.length) % ring.length;
        for (int w = 0; w < load.length; w++) {
            ring[ended + w] = load[w] - settled[w];
            double oldest = ring[row + w];
            load[w] -= oldest;
            total -= oldest;
            settled[w] = load[w];
            ring[row + w] = 0;
        }
    }
}

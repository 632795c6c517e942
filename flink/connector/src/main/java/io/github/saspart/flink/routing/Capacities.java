package io.github.saspart.flink.routing;

/**
 * How much of the work each worker can do, for routers that keep every worker within its capacity record
 * by record. Immutable and valid: the constructor refuses what cannot be followed.
 */
public final class Capacities {
    private final double[] of;
    private final double[] waiting; // null: not known
    private final double load; // 0: not known

    /** Holds capacities of workers that are busy for an unknown part of the time. */
    public Capacities(double[] parts, double[] waiting) {
        this(parts, waiting, 0);
    }

    /**
     * Holds capacities in proportion to the given parts.
     *
     * @param parts of each worker, none below 0, not all 0
     * @param waiting how many more records than the mean wait in each worker's queue; null: not known
     * @param load the part of time for which workers were busy, from 0 to 1; 0: not known
     * @throws IllegalArgumentException for the first error
     */
    public Capacities(double[] parts, double[] waiting, double load) {
        double sum = 0;
        for (int w = 0; w < parts.length; w++) {
            if (!(parts[w] >= 0) || parts[w] == Double.POSITIVE_INFINITY) {
                throw new IllegalArgumentException("capacities: worker " + w + " has " + parts[w]);
            }
            sum += parts[w];
        }
        if (!(sum > 0) || sum == Double.POSITIVE_INFINITY) {
            throw new IllegalArgumentException("capacities: they sum to " + sum);
        }
        if (waiting != null && waiting.length != parts.length) {
            throw new IllegalArgumentException(
                    "capacities: what waits at " + waiting.length + " workers, the job has " + parts.length);
        }
        if (!(load >= 0 && load <= 1)) {
            throw new IllegalArgumentException("capacities: workers are busy for " + load + " of the time");
        }
        this.load = load;
        of = new double[parts.length];
        for (int w = 0; w < of.length; w++) {
            of[w] = parts[w] / sum;
        }
        this.waiting = waiting == null ? null : waiting.clone();
    }

    /** P. */
    public int workers() {
        return of.length;
    }

    /** The capacity of a worker; those of all sum to 1. A worker of capacity 0 is to get as little as possible. */
    public double of(int worker) {
        return of[worker];
    }

    /** The part of time for which workers were busy lately; 0: not known. */
    public double load() {
        return load;
    }

    /** Whether the job tells what waits at its workers. */
    public boolean hasWaiting() {
        return waiting != null;
    }

    /** How many more records than the mean wait in the queue of a worker, if the job tells. */
    public double waiting(int worker) {
        return waiting[worker];
    }
}

package io.github.saspart.flink.jobs.source;

import io.github.saspart.flink.ControlListener;
import io.github.saspart.flink.OfferedRate;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Connects the sources of a job with its partitioners. Control messages of the policy server's owner reach
 * a partitioner, which passes them to the source with the same number in its JVM. That partitioner also
 * reports the rate that is due at the source.
 *
 * <p>Both are made from the same job but know nothing of each other, so they meet by the job's id in a
 * table of the JVM's. What is in it ends with the sources.
 */
public final class Steering implements ControlListener, OfferedRate {
    private static final long serialVersionUID = 1;

    private static final ConcurrentHashMap<String, Seat> SEATS = new ConcurrentHashMap<>();

    private final String job;

    /** @param job an id that no other job has */
    public Steering(String job) {
        this.job = job;
    }

    /** What can be told and asked of a source, on any thread. */
    interface Steered {
        /** Another rate of the whole job, records/s, from the next slide on. */
        void setRate(double recordsPerSecond);

        /** No more records after this slide. */
        void end();

        /** Records/s due now. */
        double offered();
    }

    /** Where a source sits; orders that come before it does wait for it. */
    private static final class Seat {
        private Steered source;
        private double rate = Double.NaN;
        private boolean end;

        synchronized void join(Steered joining) {
            source = joining;
            if (rate == rate) {
                source.setRate(rate);
            }
            if (end) {
                source.end();
            }
        }

        synchronized void rate(double wanted) {
            rate = wanted;
            if (source != null) {
                source.setRate(wanted);
            }
        }

        synchronized void end() {
            end = true;
            if (source != null) {
                source.end();
            }
        }

        synchronized double offered() {
            return source == null ? 0 : source.offered();
        }

        synchronized boolean has(Steered leaving) {
            return source == leaving;
        }
    }

    void join(int subtask, Steered source) {
        seat(subtask).join(source);
    }

    void leave(int subtask, Steered source) {
        SEATS.computeIfPresent(id(subtask), (id, seat) -> seat.has(source) ? null : seat);
    }

    @Override
    public void rate(int subtask, double recordsPerSecond) {
        seat(subtask).rate(recordsPerSecond);
    }

    @Override
    public void end(int subtask) {
        seat(subtask).end();
    }

    @Override
    public double recordsPerSecond(int subtask) {
        Seat seat = SEATS.get(id(subtask));
        return seat == null ? 0 : seat.offered();
    }

    private Seat seat(int subtask) {
        return SEATS.computeIfAbsent(id(subtask), id -> new Seat());
    }

    private String id(int subtask) {
        return job + "/" + subtask;
    }
}

package io.github.saspart.flink.jobs.source;

import io.github.saspart.flink.routing.Pcg;
import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;

/**
 * The intended arrival times of one split's records: an open loop, which never depends on the state of the
 * job. Pure: no clock inside.
 *
 * <p>With even spacing, record n of the job (from 0) arrives when the rate's integral over time reaches n.
 * Split s of S has the records s, s+S, ...: the splits interleave at equal gaps. Every time is computed
 * from the beginning of the current rate, so rounding errors do not accumulate. With Poisson spacing every
 * split has independent exponential gaps of mean S/rate.
 */
final class Arrivals {
    /** What {@link #next} says when no record is due at any time known now. */
    static final long NEVER = Long.MAX_VALUE;

    private static final double SECOND = 1e9;

    private final double step; // splits of the job
    private Pcg rng; // poisson; null: even

    private long from; // when the rate in force began, ns since the job's start
    private double rate; // records/s of the whole job; 0: a pause
    private double first; // records of the job from then to this split's first (poisson: next)
    private long taken; // arrivals since then (poisson: 0)
    private long last; // latest time taken

    private long changeAt = NEVER; // when another rate begins
    private double changeTo;

    private long next; // cached

    /**
     * The arrivals of split {@code split} of {@code splits}.
     *
     * @param rate records/s of the whole job
     * @param seed only Poisson spacing draws from it
     */
    Arrivals(double rate, boolean poisson, int split, int splits, long seed) {
        this.rate = rate;
        this.step = splits;
        this.first = split;
        if (poisson) {
            rng = Streams.pcg(seed, Streams.ARRIVALS, split);
            first = Ziggurat.exponential(rng) * step;
        }
        look();
    }

    /** When the next record is due, ns since the job's start. */
    long next() {
        return next;
    }

    /** Takes the next record, and advances to its successor. */
    void take() {
        last = next;
        if (rng != null) {
            first += Ziggurat.exponential(rng) * step;
        } else {
            taken++;
        }
        look();
    }

    /**
     * Changes the rate from a time on, ns since the job's start. Times taken stand: a change that comes
     * too late takes effect after the last of them. A change still to come is replaced.
     */
    void set(long start, double rate) {
        changeAt = Math.max(Math.max(start, last), from);
        changeTo = rate;
        look();
    }

    /** The split's share of the rate that is in force at a time, as far as it is known now, records/s. */
    double rateAt(long time) {
        return (time >= changeAt ? changeTo : rate) / step;
    }

    private void look() {
        next = due();
        if (next >= changeAt && changeAt != NEVER) {
            // What was owed at the end of the old rate is owed by the new one.
            double done = (changeAt - from) / SECOND * rate;
            first = Math.max(0, first + taken * step - done);
            taken = 0;
            from = changeAt;
            rate = changeTo;
            changeAt = NEVER;
            next = due();
        }
    }

    private long due() {
        double offset = (first + taken * step) * (SECOND / rate);
        // A pause makes this infinite, or not a number where 0 records are owed.
        return offset < 0x1p62 ? from + (long) offset : NEVER;
    }

    void save(DataOutput out) throws IOException {
        out.writeLong(from);
        out.writeDouble(rate);
        out.writeDouble(first);
        out.writeLong(taken);
        out.writeLong(last);
        out.writeLong(changeAt);
        out.writeDouble(changeTo);
        out.writeBoolean(rng != null);
        if (rng != null) {
            out.writeLong(rng.high());
            out.writeLong(rng.low());
        }
    }

    void restore(DataInput in) throws IOException {
        from = in.readLong();
        rate = in.readDouble();
        first = in.readDouble();
        taken = in.readLong();
        last = in.readLong();
        changeAt = in.readLong();
        changeTo = in.readDouble();
        rng = in.readBoolean() ? new Pcg(in.readLong(), in.readLong()) : null;
        look();
    }
}

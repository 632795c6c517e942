package io.github.saspart.flink.jobs.source;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;

/** The reading of a split: its records with their times, up to where the stream ends. Pure. */
final class Cursor implements Closeable {
    /** When the record after the last is due. */
    static final long NEVER = Arrivals.NEVER;

    private final StreamSplit split;
    private final Arrivals arrivals;
    private final Records records;
    private final long duration;
    private long left; // records to come
    private boolean ended;

    Cursor(StreamSplit split, StreamPlan plan, Records.Opener opener) throws IOException {
        this.split = split;
        arrivals = new Arrivals(plan.rate, plan.poisson, split.index, split.splits, plan.seed);
        records = opener.open(split.index, split.splits);
        duration = plan.durationNanos > 0 ? plan.durationNanos : NEVER;
        left = plan.recordsOf(split.index, split.splits);
        if (split.position.length > 0) {
            DataInputStream in = new DataInputStream(new ByteArrayInputStream(split.position));
            left = in.readLong();
            ended = in.readBoolean();
            arrivals.restore(in);
            records.restore(in);
        }
    }

    /** When the next record is due, ns since the epoch; NEVER: at no time known now. */
    long due() {
        return hasEnded() || arrivals.next() == NEVER ? NEVER : split.start + arrivals.next();
    }

    /** Whether there are no more records. */
    boolean hasEnded() {
        return ended || left == 0 || arrivals.next() >= duration && arrivals.next() != NEVER;
    }

    /** The record that is due; null when the stream turns out to have ended before it. */
    Event next() throws IOException {
        Event event = records.next(arrivals.next());
        if (event == null) {
            ended = true;
            return null;
        }
        arrivals.take();
        left--;
        return event;
    }

    /** Changes the job's rate, records/s, from a time on, ns since the epoch. */
    void setRate(long from, double rate) {
        arrivals.set(from - split.start, rate);
    }

    /** The split's share of the rate in force at a time, ns since the epoch, records/s. */
    double rateAt(long time) {
        return hasEnded() ? 0 : arrivals.rateAt(time - split.start);
    }

    /** The split with the position reached. */
    StreamSplit split() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(bytes);
        out.writeLong(left);
        out.writeBoolean(ended);
        arrivals.save(out);
        records.save(out);
        return new StreamSplit(split.index, split.splits, split.start, bytes.toByteArray());
    }

    @Override
    public void close() throws IOException {
        records.close();
    }
}

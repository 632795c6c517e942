package io.github.saspart.flink.jobs.source;

import java.io.Serializable;

/** Everything that the records of a job and their times depend on. */
public final class StreamPlan implements Serializable {
    private static final long serialVersionUID = 1;

    /** What the records are. */
    public final SourceConfig source;
    /** What the task reads of them. */
    public final Payload payload;
    /** Of all randomness. */
    public final long seed;
    /** Independent parts of the stream, which sources share out: one per partitioner subtask at first. */
    public final int splits;
    /** Records/s of the whole job at the start; 0 is a pause. */
    public final double rate;
    /** Independent exponential gaps between a split's records; false: equal gaps. */
    public final boolean poisson;
    /** Records of the whole job after which the stream ends; 0: it does not. */
    public final long records;
    /** Event time after which the stream ends, ns; 0: it does not. */
    public final long durationNanos;
    /** Sources send a watermark at the end of each slide, ns, a whole number of ms. */
    public final long slideNanos;

    /** A plan of all its parts. */
    public StreamPlan(SourceConfig source, Payload payload, long seed, int splits, double rate, boolean poisson,
            long records, long durationNanos, long slideNanos) {
        this.source = source;
        this.payload = payload;
        this.seed = seed;
        this.splits = splits;
        this.rate = rate;
        this.poisson = poisson;
        this.records = records;
        this.durationNanos = durationNanos;
        this.slideNanos = slideNanos;
    }

    boolean ends() {
        return records > 0 || durationNanos > 0;
    }

    /** A split's share of the records, which go round the splits of the stream: as many as there were when it began. */
    long recordsOf(int split, int splits) {
        return records == 0 ? Long.MAX_VALUE : (records - split + splits - 1) / splits;
    }
}

package io.github.saspart.flink.internal.report;

import io.github.saspart.v1.Latency;
import java.util.Arrays;

/** A histogram of times in the buckets of the protocol's {@link Latency}: 128 to a doubling. Has one owner. */
public final class Latencies {
    private static final int BUCKETS = 4992;

    private final long[] counts = new long[BUCKETS];
    private long most;

    public void record(long nanos) {
        long v = Math.max(0, nanos);
        int e = Math.max(0, 56 - Long.numberOfLeadingZeros(v));
        counts[Math.min(BUCKETS - 1, 128 * e + (int) (v >>> e))]++;
        most = Math.max(most, v);
    }

    /** The message of what was recorded since the last call; null if nothing was. */
    public Latency take() {
        Latency.Builder message = Latency.newBuilder().setMaxNs(most);
        for (int i = 0; i < BUCKETS; i++) {
            if (counts[i] > 0) {
                message.addBuckets(i).addCounts(counts[i]);
            }
        }
        Arrays.fill(counts, 0);
        most = 0;
        return message.getBucketsCount() == 0 ? null : message.build();
    }
}

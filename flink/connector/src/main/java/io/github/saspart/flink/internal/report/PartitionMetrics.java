package io.github.saspart.flink.internal.report;

import java.util.Arrays;
import java.util.function.Supplier;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.MetricGroup;

/**
 * What a partitioner subtask shows in Flink's own metrics. The subtask's thread writes it, and Flink reads it on
 * others.
 */
public final class PartitionMetrics {
    private final long[] sent; // to each worker since the last slide that was counted
    private final Counter overflowed;

    private volatile long routeVersion;
    private volatile long splitKeys;
    private volatile double imbalance;

    /** Metrics in a group; {@code decides} says who decides where records go. */
    public PartitionMetrics(MetricGroup group, int workers, Supplier<String> decides) {
        sent = new long[workers];
        overflowed = group.counter("overflowedRecords");
        group.gauge("routeVersion", (Gauge<Long>) () -> routeVersion);
        group.gauge("splitKeys", (Gauge<Long>) () -> splitKeys);
        group.gauge("imbalance", (Gauge<Double>) () -> imbalance);
        group.gauge("decidedBy", (Gauge<String>) decides::get);
    }

    /** Counts a record. */
    public void sent(int worker) {
        sent[worker]++;
    }

    /** The version of the route in force, and how many keys it splits; 0 and none if the partitioner follows none. */
    public void route(long version, long split) {
        routeVersion = version;
        splitKeys = split;
    }

    /** Ends a slide in which records overflowed to other workers than the route's. */
    public void endSlide(long overflows) {
        overflowed.inc(overflows);
        long all = 0;
        long most = 0;
        for (long n : sent) {
            all += n;
            most = Math.max(most, n);
        }
        if (all > 0) {
            imbalance = (double) most * sent.length / all - 1;
        }
        Arrays.fill(sent, 0);
    }
}

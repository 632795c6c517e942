package io.github.saspart.flink.internal.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.saspart.v1.Latency;
import java.util.concurrent.TimeUnit;
import org.apache.flink.runtime.metrics.TimerGauge;
import org.apache.flink.util.clock.ManualClock;
import org.junit.jupiter.api.Test;

/** The small parts, each by itself. */
class ReportTest {
    @Test
    void latenciesFallIntoTheProtocolsBuckets() {
        Latencies latencies = new Latencies();
        assertNull(latencies.take(), "nothing was recorded");
        long[] times = {0, 1, 255, 256, 257, 511, 512, 1_000_000, 3_600_000_000_000L, Long.MAX_VALUE, -5};
        for (long v : times) {
            latencies.record(v);
        }
        Latency message = latencies.take();
        assertEquals(times.length, message.getCountsList().stream().mapToLong(n -> n).sum());
        assertEquals(Long.MAX_VALUE, message.getMaxNs());
        for (long v : times) { // as the protocol says: e is the least number for which v >> e is below 256
            long at = Math.max(0, v);
            int e = 0;
            while (at >> e >= 256) {
                e++;
            }
            int bucket = Math.min(4991, 128 * e + (int) (at >> e));
            assertTrue(message.getBucketsList().contains(bucket), v + " ns is in bucket " + bucket);
        }
        assertNull(latencies.take(), "they are counted anew");
    }

    /** What a gauge measures is added up, with the time that has not ended, also past the gauge's updates. */
    @Test
    void gaugesAreFollowedWhileTheyMeasure() {
        ManualClock clock = new ManualClock(1_000_000_000); // at 0 a gauge takes itself for stopped
        TimerGauge gauge = new TimerGauge(clock);
        gauge.markStart();
        clock.advanceTime(7, TimeUnit.MILLISECONDS);
        BusyTime.Span span = new BusyTime.Span(clock::relativeTimeNanos);
        gauge.registerListener(span);
        assertEquals(0, span.nanos(), "it counts from where it begins, in the middle of a measurement");
        clock.advanceTime(30, TimeUnit.MILLISECONDS);
        assertEquals(30_000_000, span.nanos(), "it is still measuring");
        gauge.update();
        clock.advanceTime(12, TimeUnit.MILLISECONDS);
        assertEquals(42_000_000, span.nanos(), "it has been updated in between");
        gauge.markEnd();
        clock.advanceTime(50, TimeUnit.MILLISECONDS);
        assertEquals(42_000_000, span.nanos(), "it has stopped");
        gauge.markStart();
        clock.advanceTime(1, TimeUnit.MILLISECONDS);
        assertEquals(43_000_000, span.nanos(), "it has begun again");
    }
}

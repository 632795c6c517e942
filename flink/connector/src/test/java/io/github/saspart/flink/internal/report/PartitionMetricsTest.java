package io.github.saspart.flink.internal.report;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.HashMap;
import java.util.Map;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.Metric;
import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;
import org.junit.jupiter.api.Test;

class PartitionMetricsTest {
    private static final class Group extends UnregisteredMetricsGroup {
        final Map<String, Metric> metrics = new HashMap<>();

        @Override
        public Counter counter(String name) {
            Counter counter = super.counter(name);
            metrics.put(name, counter);
            return counter;
        }

        @Override
        public <V, G extends Gauge<V>> G gauge(String name, G gauge) {
            metrics.put(name, gauge);
            return gauge;
        }

        Object value(String name) {
            return ((Gauge<?>) metrics.get(name)).getValue();
        }
    }

    @Test
    void imbalanceIsOfTheLastSlideWithRecords() {
        Group group = new Group();
        PartitionMetrics metrics = new PartitionMetrics(group, 4, () -> "server");
        assertEquals(0.0, group.value("imbalance"), "before the first record");
        for (int worker : new int[] {0, 0, 0, 1}) {
            metrics.sent(worker);
        }
        assertEquals(0.0, group.value("imbalance"), "within the first slide");
        metrics.endSlide(3);
        assertEquals(2.0, group.value("imbalance"), "3 records where the mean is 1");
        metrics.endSlide(0);
        assertEquals(2.0, group.value("imbalance"), "after a slide without records");
        for (int worker = 0; worker < 4; worker++) {
            metrics.sent(worker);
        }
        metrics.endSlide(2);
        assertEquals(0.0, group.value("imbalance"), "one record each");
        assertEquals(5, ((Counter) group.metrics.get("overflowedRecords")).getCount());
        metrics.route(7, 3);
        assertEquals(7L, group.value("routeVersion"));
        assertEquals(3L, group.value("splitKeys"));
        assertEquals("server", group.value("decidedBy"));
    }
}

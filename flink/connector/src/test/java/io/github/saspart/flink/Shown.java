package io.github.saspart.flink;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.flink.api.common.JobID;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.Metric;
import org.apache.flink.metrics.MetricConfig;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.reporter.MetricReporter;
import org.apache.flink.metrics.reporter.MetricReporterFactory;

/** Keeps the connector's metrics as Flink's reporters get them, also after their job has ended. */
public final class Shown implements MetricReporterFactory, MetricReporter {
    private static final Map<String, Metric> VALUES = new ConcurrentHashMap<>(); // static as tests are in the same process

    @Override
    public MetricReporter createMetricReporter(Properties properties) {
        return this;
    }

    @Override
    public void open(MetricConfig config) {}

    @Override
    public void close() {}

    @Override
    public void notifyOfAddedMetric(Metric metric, String name, MetricGroup group) {
        String[] scope = group.getScopeComponents();
        if (scope[scope.length - 1].equals("saspart")) {
            Map<String, String> variables = group.getAllVariables();
            VALUES.put(
                    String.join(
                            " ", variables.get("<job_id>"), variables.get("<operator_name>"), name, variables.get("<subtask_index>")),
                    metric);
        }
    }

    @Override
    public void notifyOfRemovedMetric(Metric metric, String name, MetricGroup group) {}

    /** A metric's value at each subtask of an operator, by index. */
    static List<Object> of(JobID job, String operator, String name) {
        List<Object> values = new ArrayList<>();
        for (Metric m; (m = VALUES.get(String.join(" ", job.toHexString(), operator, name, "" + values.size()))) != null; ) {
            values.add(m instanceof Counter ? ((Counter) m).getCount() : ((Gauge<?>) m).getValue());
        }
        return values;
    }

    /** The sum of a count over all subtasks of an operator. */
    static long sum(JobID job, String operator, String name) {
        return of(job, operator, name).stream().mapToLong(v -> (Long) v).sum();
    }
}

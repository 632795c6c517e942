package io.github.saspart.flink.internal.report;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.lang.reflect.Field;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.runtime.metrics.TimerGauge;
import org.apache.flink.runtime.metrics.groups.InternalOperatorMetricGroup;
import org.apache.flink.runtime.metrics.groups.TaskIOMetricGroup;

/**
 * What a task did with its time, from the gauges that Flink keeps of it: a task that is neither idle
 * nor kept waiting by its successors is busy. That includes waiting for a core, so the time that its
 * thread was on one is measured too.
 */
public final class BusyTime {
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();
    private static final Field RUNNING_SINCE = runningSince();

    private final TaskIOMetricGroup task;
    private final long thread;

    private long at;
    private long idle;
    private long waited;
    private long onCore;

    private double busy;
    private double blocked;
    private double cpu;

    /** Measures the task of this operator, whose thread is the current one. */
    public BusyTime(MetricGroup operator) {
        task = ((InternalOperatorMetricGroup) operator).getTaskIOMetricGroup();
        thread = Thread.currentThread().getId();
    }

    /** Takes the shares of the time since the last call. */
    public void sample() {
        long now = System.currentTimeMillis();
        long idleNow = millis(task.getIdleTimeMsPerSecond(), now);
        long waitedNow = millis(task.getSoftBackPressuredTimePerSecond(), now)
                + millis(task.getHardBackPressuredTimePerSecond(), now);
        long onCoreNow = Math.max(0, THREADS.getThreadCpuTime(thread));
        double passed = Math.max(1, now - at);
        blocked = ratio((waitedNow - waited) / passed);
        busy = ratio(1 - (idleNow - idle + waitedNow - waited) / passed);
        cpu = ratio((onCoreNow - onCore) / (passed * 1e6));
        at = now;
        idle = idleNow;
        waited = waitedNow;
        onCore = onCoreNow;
    }

    /** Time that it has been busy by now, since some beginning, ns. */
    public long busyNanos() {
        long now = System.currentTimeMillis();
        return (now - millis(task.getIdleTimeMsPerSecond(), now)
                        - millis(task.getSoftBackPressuredTimePerSecond(), now)
                        - millis(task.getHardBackPressuredTimePerSecond(), now))
                * 1_000_000;
    }

    /** Share of the time it was busy. */
    public double busy() {
        return busy;
    }

    /** Share of the time it had to wait for its successors. */
    public double blocked() {
        return blocked;
    }

    /** Share of the time its thread was on a core. */
    public double cpu() {
        return cpu;
    }

    private static double ratio(double r) {
        return Math.min(Math.max(r, 0), 1);
    }

    /** What a gauge has added up, with the measurement that is still running. */
    static long millis(TimerGauge gauge, long now) {
        synchronized (gauge) {
            long sum = gauge.getAccumulatedCount();
            if (gauge.isMeasuring()) {
                try {
                    sum += Math.max(0, now - RUNNING_SINCE.getLong(gauge));
                } catch (IllegalAccessException e) {
                    throw new IllegalStateException("busy time: this version of Flink does not show it", e);
                }
            }
            return sum;
        }
    }

    private static Field runningSince() {
        try {
            Field field = TimerGauge.class.getDeclaredField("currentUpdateTS");
            field.setAccessible(true);
            return field;
        } catch (NoSuchFieldException e) {
            throw new IllegalStateException(
                    "busy time: this version of Flink measures it otherwise; the connector is made for Flink 1.20", e);
        }
    }
}

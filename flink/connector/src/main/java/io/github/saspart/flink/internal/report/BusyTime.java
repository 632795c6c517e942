package io.github.saspart.flink.internal.report;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.function.LongSupplier;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.runtime.metrics.TimerGauge;
import org.apache.flink.runtime.metrics.groups.InternalOperatorMetricGroup;
import org.apache.flink.runtime.metrics.groups.TaskIOMetricGroup;

/**
 * What a task did with its time: a task that is neither idle nor kept waiting by its successors is busy. That
 * includes waiting for a core, so the time that its thread was on one is measured too. Flink's own gauges say
 * when such a time starts and ends.
 */
public final class BusyTime {
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    private final Span idling = new Span(System::nanoTime);
    private final Span softWait = new Span(System::nanoTime); // for buffers that some of the outputs still have
    private final Span hardWait = new Span(System::nanoTime);
    private final long thread;

    private long at = System.nanoTime();
    private long idle;
    private long waited;
    private long onCore;

    private double busy;
    private double blocked;
    private double cpu;

    /** Measures the task of this operator, whose thread is the current one. */
    public BusyTime(MetricGroup operator) {
        TaskIOMetricGroup task = ((InternalOperatorMetricGroup) operator).getTaskIOMetricGroup();
        task.getIdleTimeMsPerSecond().registerListener(idling);
        task.getSoftBackPressuredTimePerSecond().registerListener(softWait);
        task.getHardBackPressuredTimePerSecond().registerListener(hardWait);
        thread = Thread.currentThread().getId();
    }

    /** Takes the shares of the time since the last call. */
    public void sample() {
        long now = System.nanoTime();
        long idleNow = idling.nanos();
        long waitedNow = softWait.nanos() + hardWait.nanos();
        long onCoreNow = Math.max(0, THREADS.getThreadCpuTime(thread));
        double passed = Math.max(1, now - at);
        blocked = ratio((waitedNow - waited) / passed);
        busy = ratio(1 - (idleNow - idle + waitedNow - waited) / passed);
        cpu = ratio((onCoreNow - onCore) / passed);
        at = now;
        idle = idleNow;
        waited = waitedNow;
        onCore = onCoreNow;
    }

    /** Time that it has been busy by now, since some beginning, ns. */
    public long busyNanos() {
        return System.nanoTime() - idling.nanos() - softWait.nanos() - hardWait.nanos();
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

    /** Adds up the times that a gauge measures, with the one that has not ended. */
    static final class Span implements TimerGauge.StartStopListener {
        private final LongSupplier clock; // ns
        private long sum;
        private long since;
        private boolean running;

        Span(LongSupplier clock) {
            this.clock = clock;
        }

        @Override
        public synchronized void markStart() {
            since = clock.getAsLong();
            running = true;
        }

        @Override
        public synchronized void markEnd() {
            sum = nanos();
            running = false;
        }

        /** The sum, ns. */
        synchronized long nanos() {
            return running ? sum + Math.max(0, clock.getAsLong() - since) : sum;
        }
    }
}

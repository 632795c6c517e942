package io.github.saspart.flink.internal;

import io.github.saspart.flink.WorkFunction;
import io.github.saspart.flink.internal.report.BusyTime;
import io.github.saspart.flink.internal.report.Count;
import io.github.saspart.flink.internal.report.Latencies;
import io.github.saspart.flink.internal.report.Queue;
import io.github.saspart.flink.internal.report.Reporter;
import io.github.saspart.flink.internal.report.Timings;
import io.github.saspart.flink.internal.report.WorkerDraft;
import io.github.saspart.v1.Latency;
import io.github.saspart.v1.Role;
import io.github.saspart.v1.Times;
import io.github.saspart.v1.WorkerReport;
import java.util.function.Consumer;
import org.apache.flink.api.common.operators.MailboxExecutor;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.runtime.execution.Environment;

/**
 * Measures a worker subtask and reports on it, if there is a server, and tells the job's {@link
 * WorkFunction} of its records.
 *
 * @param <T> the type of records
 */
final class WorkerMeter<T> implements AutoCloseable {
    private final int worker;
    private final WorkFunction<T, ?> work; // null: no caller wants to know
    private final Count records = new Count();
    private final Count units = new Count();
    private final Latencies latencies; // null: not measured
    private final Timings timings; // null: not measured
    private final Reporter reporter; // null without a server
    private long began; // the record at hand, if it is timed; else 0

    /**
     * Begins to measure.
     *
     * @param keyed whether records come with the hashes of their keys: they are timed
     * @param details adds what else the operator knows, on the subtask's thread
     */
    WorkerMeter(
            Plan plan, int worker, WorkFunction<T, ?> work, boolean keyed, MetricGroup metrics, Environment environment,
            MailboxExecutor mailbox, Consumer<WorkerReport.Builder> details) throws Exception {
        this.worker = worker;
        this.work = work;
        BusyTime time = new BusyTime(metrics);
        if (work != null) {
            work.open(time::busyNanos);
        }
        latencies = plan.options.latency() ? new Latencies() : null;
        Queue queue = new Queue(environment);
        reporter = plan.reporter(
                Role.ROLE_WORKER, worker, environment.getJobID(), null, Silent.LISTENER, mailbox,
                () -> WorkerDraft.of(worker, time, queue, records, units, report -> {
                    complete(report);
                    details.accept(report);
                }));
        timings = keyed && reporter != null ? new Timings(plan.slots(), plan.options.seed() + worker) : null;
        if (reporter != null) {
            reporter.open();
        }
    }

    /** Tells of a record before it is worked on. */
    void begin(T value) throws Exception {
        began = timings != null && timings.due() ? timings.begin() : 0;
        if (work != null) {
            units.add(work.record(worker, value));
        }
    }

    /** Counts a record that is done. */
    void end() {
        records.add(1);
    }

    /** Counts a record of a key that is done, which came at a time in ms since the epoch. */
    void end(long time, long hash) {
        double known = timings == null || work == null ? -1 : work.nanos();
        if (known >= 0) {
            timings.add(hash, known);
        } else if (began != 0) {
            timings.end(hash, began);
        }
        end(time);
    }

    /** Counts a record that is done, which came at a time in ms since the epoch. */
    void end(long time) {
        records.add(1);
        if (latencies != null) {
            latencies.record((System.currentTimeMillis() - time) * 1_000_000);
        }
    }

    private void complete(WorkerReport.Builder report) {
        Latency latency = latencies == null ? null : latencies.take();
        if (latency != null) {
            report.setLatency(latency);
        }
        Times times = timings == null ? null : timings.take();
        if (times != null) {
            report.setTimes(times);
        }
    }

    @Override
    public void close() {
        if (reporter != null) {
            reporter.close();
        }
    }
}

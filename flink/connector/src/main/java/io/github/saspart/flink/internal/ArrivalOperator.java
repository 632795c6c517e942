package io.github.saspart.flink.internal;

import io.github.saspart.flink.WorkFunction;
import io.github.saspart.v1.Latency;
import io.github.saspart.v1.Role;
import io.github.saspart.v1.WorkerReport;
import org.apache.flink.api.common.operators.MailboxExecutor;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;

/**
 * A worker that hands its records on: what is chained to it does the work.
 *
 * @param <T> the type of records
 */
public final class ArrivalOperator<T> extends AbstractStreamOperator<T> implements OneInputStreamOperator<Envelope<T>, T> {
    private static final long serialVersionUID = 1;

    private final Plan plan;
    private final WorkFunction<T, ?> work; // null: nobody is told

    private transient MailboxExecutor mailbox;
    private transient int worker;
    private transient Count records;
    private transient Count units;
    private transient Latencies latencies; // null: not measured
    private transient Reporter reporter;

    /** A worker of this plan. */
    @SuppressWarnings("unchecked")
    public ArrivalOperator(Plan plan) {
        this.plan = plan;
        this.work = (WorkFunction<T, ?>) plan.options.work();
    }

    @Override
    public void setMailboxExecutor(MailboxExecutor executor) {
        super.setMailboxExecutor(executor);
        mailbox = executor;
    }

    @Override
    public void open() throws Exception {
        super.open();
        worker = getRuntimeContext().getTaskInfo().getIndexOfThisSubtask();
        records = new Count();
        units = new Count();
        latencies = plan.options.latency() ? new Latencies() : null;
        BusyTime time = new BusyTime(getMetricGroup());
        if (work != null) {
            work.open(time::busyNanos);
        }
        Queue queue = new Queue(getContainingTask().getEnvironment());
        reporter = plan.reporter(
                Role.ROLE_WORKER, worker, getContainingTask().getEnvironment().getJobID(), null, Silent.LISTENER, mailbox,
                () -> WorkerDraft.of(worker, time, queue, records, units, this::complete));
        if (reporter != null) {
            reporter.open();
        }
    }

    @Override
    public void close() throws Exception {
        if (reporter != null) {
            reporter.close();
        }
        super.close();
    }

    @Override
    public void processElement(StreamRecord<Envelope<T>> record) throws Exception {
        T value = record.getValue().value;
        if (work != null) {
            units.add(work.record(worker, value));
        }
        output.collect(record.replace(value));
        records.add(1);
        if (latencies != null && record.hasTimestamp()) {
            latencies.record((System.currentTimeMillis() - record.getTimestamp()) * 1_000_000);
        }
    }

    private void complete(WorkerReport.Builder report) {
        Latency latency = latencies == null ? null : latencies.take();
        if (latency != null) {
            report.setLatency(latency);
        }
    }
}

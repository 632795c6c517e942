package io.github.saspart.flink.internal;

import io.github.saspart.flink.WorkFunction;
import org.apache.flink.api.common.operators.MailboxExecutor;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;

/**
 * A worker that hands its records on: what is chained to it does the work.
 *
 * @param <T> the type of records
 */
public final class ArrivalOperator<T> extends AbstractStreamOperator<T> implements OneInputStreamOperator<T, T> {
    private static final long serialVersionUID = 1;

    private final Plan plan;
    private final WorkFunction<T, ?> work; // null: no caller wants to know

    private transient MailboxExecutor mailbox;
    private transient WorkerMeter<T> meter;

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
        meter = new WorkerMeter<>(
                plan, getRuntimeContext().getTaskInfo().getIndexOfThisSubtask(), work, false,
                getMetricGroup(), getContainingTask().getEnvironment(), mailbox, report -> {});
    }

    @Override
    public void close() throws Exception {
        if (meter != null) {
            meter.close();
        }
        super.close();
    }

    @Override
    public void processElement(StreamRecord<T> record) throws Exception {
        boolean timed = record.hasTimestamp();
        long time = timed ? record.getTimestamp() : 0;
        meter.begin(record.getValue());
        output.collect(record);
        if (timed) {
            meter.end(time);
        } else {
            meter.end();
        }
    }
}

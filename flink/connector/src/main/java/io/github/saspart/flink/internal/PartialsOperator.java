package io.github.saspart.flink.internal;

import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;
import org.apache.flink.util.OutputTag;

/**
 * Hands a worker's partial results on to the reducers, but not that it is idle: a reducer would then not wait for
 * this worker, although the worker may be behind the others and not know yet that there are records again. It
 * tells reducers so in a record of its own, so that they can say that their results are idle.
 *
 * @param <P> the type of partial results
 */
public final class PartialsOperator<P> extends AbstractStreamOperator<P> implements OneInputStreamOperator<P, P> {
    private static final long serialVersionUID = 1;

    /** In place of the watermark at which a worker is idle: it is not. */
    static final long ACTIVE = Long.MAX_VALUE;

    private final OutputTag<Tuple3<Integer, Integer, Long>> idleness;

    private transient long watermark;
    private transient boolean told; // something, since the last restore

    /**
     * Makes one.
     *
     * @param idleness marks what is told: the worker's index, how many workers there are, and at which watermark
     *     it is idle
     */
    public PartialsOperator(OutputTag<Tuple3<Integer, Integer, Long>> idleness) {
        this.idleness = idleness;
    }

    @Override
    public void open() throws Exception {
        super.open();
        watermark = Long.MIN_VALUE;
    }

    @Override
    public void processElement(StreamRecord<P> record) {
        output.collect(record);
    }

    @Override
    public void processWatermark(Watermark mark) throws Exception {
        watermark = mark.getTimestamp();
        if (!told) {
            tell(ACTIVE); // what is in flight since before a restore may say otherwise
        }
        super.processWatermark(mark);
    }

    @Override
    public void processWatermarkStatus(WatermarkStatus status) {
        tell(status.isIdle() ? watermark : ACTIVE);
    }

    private void tell(long idleAt) {
        told = true;
        output.collect(idleness, new StreamRecord<>(Tuple3.of(
                getRuntimeContext().getTaskInfo().getIndexOfThisSubtask(),
                getRuntimeContext().getTaskInfo().getNumberOfParallelSubtasks(),
                idleAt)));
    }
}

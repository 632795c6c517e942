package io.github.saspart.flink.internal;

import io.github.saspart.flink.WorkFunction;
import io.github.saspart.flink.internal.split.Notice;
import io.github.saspart.flink.internal.split.NoticeBoard;
import io.github.saspart.flink.internal.split.Slides;
import io.github.saspart.flink.routing.Router;
import io.github.saspart.v1.RealisedShare;
import io.github.saspart.v1.WorkerReport;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.operators.MailboxExecutor;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.metrics.Counter;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;
import org.apache.flink.util.OutputTag;

/**
 * A worker that aggregates: adds records to the pane of their key and slide, and when a watermark ends
 * a slide joins each key's panes to the window that ends there. A key that no other worker can have in
 * that window is finished at once; the partial results of all others go to the reducers.
 *
 * <p>The state is a list of panes, which may be restored by any worker: after a restore the windows of
 * slides that had begun are merged whole (see {@link NoticeBoard}).
 *
 * @param <T> the type of records
 * @param <K> the type of keys
 * @param <ACC> the type of accumulators
 * @param <OUT> the type of results
 */
public final class CombineOperator<T, K, ACC, OUT> extends AbstractStreamOperator<Tuple3<K, Long, OUT>>
        implements OneInputStreamOperator<Envelope<T>, Tuple3<K, Long, OUT>> {
    private static final long serialVersionUID = 1;

    private static final int MOST_REALISED = 4; // times the hot keys; the protocol takes no more

    private final Plan plan;
    private final KeySelector<T, K> selector;
    private final AggregateFunction<T, ACC, OUT> function;
    private final TypeInformation<K> keyType;
    private final TypeInformation<ACC> accumulatorType;
    private final OutputTag<Tuple3<K, Long, ACC>> partials;
    private final WorkFunction<T, ACC> work; // null: no caller wants to know

    private transient MailboxExecutor mailbox;
    private transient ListState<Tuple5<K, Long, Long, Long, ACC>> saved; // key, hash, slide, had, accumulator
    private transient ListState<Long> savedNext;
    private transient Panes<T, K, ACC> panes;
    private transient NoticeBoard board;
    private transient int worker;
    private transient Counter lateRecords;

    private transient long next; // the first slide that has not ended
    private transient long earliest; // the first slide with a pane; LAST without any
    private transient long slide; // of the last record
    private transient long begins; // of it, ms
    private transient long ends;

    private transient long bypassed; // since the last report
    private transient WorkerMeter<T> meter;

    /**
     * A worker of this plan.
     *
     * @param partials marks the partial results that go to reducers
     */
    @SuppressWarnings("unchecked")
    public CombineOperator(
            Plan plan,
            KeySelector<T, K> selector,
            AggregateFunction<T, ACC, OUT> function,
            TypeInformation<K> keyType,
            TypeInformation<ACC> accumulatorType,
            OutputTag<Tuple3<K, Long, ACC>> partials) {
        this.plan = plan;
        this.selector = selector;
        this.function = function;
        this.keyType = keyType;
        this.accumulatorType = accumulatorType;
        this.partials = partials;
        this.work = (WorkFunction<T, ACC>) plan.options.work();
    }

    @Override
    public void setMailboxExecutor(MailboxExecutor executor) {
        super.setMailboxExecutor(executor);
        mailbox = executor;
    }

    @Override
    public void initializeState(StateInitializationContext context) throws Exception {
        super.initializeState(context);
        worker = getRuntimeContext().getTaskInfo().getIndexOfThisSubtask();
        panes = new Panes<>(
                function, accumulatorType.createSerializer(getExecutionConfig().getSerializerConfig()), plan.slides, work, worker);
        board = new NoticeBoard(context.getRestoredCheckpointId().orElse(-1));
        saved = context.getOperatorStateStore().getListState(new ListStateDescriptor<>(
                "panes", Types.TUPLE(keyType, Types.LONG, Types.LONG, Types.LONG, accumulatorType)));
        savedNext = context.getOperatorStateStore().getUnionListState(new ListStateDescriptor<>("next", Types.LONG));
        earliest = Slides.LAST;
        for (Tuple5<K, Long, Long, Long, ACC> pane : saved.get()) {
            panes.restore(pane.f0, pane.f1, pane.f2, pane.f3, pane.f4);
            earliest = Math.min(earliest, pane.f2);
        }
        saved.clear();
        long least = Slides.LAST;
        for (long n : savedNext.get()) {
            least = Math.min(least, n);
        }
        next = least < Slides.LAST ? least : Slides.FIRST; // nothing was saved, or by a job that had been drained
    }

    @Override
    public void open() throws Exception {
        super.open();
        begins = ends = Long.MIN_VALUE;
        lateRecords = getMetricGroup().counter("numLateRecordsDropped");
        meter = new WorkerMeter<>(
                plan, worker, work, true, getMetricGroup(), getContainingTask().getEnvironment(), mailbox, this::complete);
    }

    @Override
    public void close() throws Exception {
        if (meter != null) {
            meter.close();
        }
        super.close();
    }

    @Override
    public void processElement(StreamRecord<Envelope<T>> record) throws Exception {
        Envelope<T> envelope = record.getValue();
        if (envelope.notice != null) {
            board.take(Notice.decode(envelope.notice));
            return;
        }
        long time = record.getTimestamp();
        if (time < begins || time >= ends) {
            slide = Slides.of(time, plan.length);
            begins = slide * plan.length;
            ends = begins + plan.length;
        }
        if (slide < next) {
            lateRecords.inc();
            return;
        }
        T value = envelope.value;
        meter.begin(value);
        Panes.Entry<K, ACC> entry = panes.add(selector.getKey(value), envelope.hash, value, slide);
        if (Router.merged(envelope.destination)) {
            entry.split++;
        }
        if (slide < earliest) {
            earliest = slide;
        }
        meter.end(time, envelope.hash);
    }

    @Override
    public void processWatermark(Watermark mark) throws Exception {
        end(Slides.ended(mark.getTimestamp(), plan.length));
        super.processWatermark(mark);
    }

    /**
     * Is not forwarded. A reducer would not wait for this worker while it seems idle, although the worker
     * may be behind the others and not know yet that there are records again.
     */
    @Override
    public void processWatermarkStatus(WatermarkStatus status) {}

    /** Ends the slides up to one. */
    private void end(long last) throws Exception {
        if (last < next) {
            return;
        }
        for (long s = Math.max(next, earliest); s <= last; s = Math.max(s + 1, earliest)) {
            emit(s);
        }
        next = last + 1;
        board.forget(next - plan.slides + 1);
    }

    private void emit(long slide) throws Exception {
        NoticeBoard.Verdict verdict = board.verdict(slide - plan.slides + 1, slide);
        long end = (slide + 1) * plan.length;
        earliest = panes.emit(slide, (entry, accumulator) -> {
            if (work != null) {
                work.emit(worker, accumulator);
            }
            if (verdict.merges(entry.hash)) {
                output.collect(partials, new StreamRecord<>(Tuple3.of(entry.key, end, accumulator), end - 1));
            } else {
                bypassed++;
                output.collect(new StreamRecord<>(Tuple3.of(entry.key, end, function.getResult(accumulator)), end - 1));
            }
        });
    }

    @Override
    public void snapshotState(StateSnapshotContext context) throws Exception {
        super.snapshotState(context);
        List<Tuple5<K, Long, Long, Long, ACC>> all = new ArrayList<>();
        panes.each((key, hash, of, had, accumulator) ->
                all.add(Tuple5.of(key, hash, of, Math.max(had, next - 1), accumulator)));
        saved.update(all); // which Flink copies before it continues
        savedNext.update(List.of(next));
    }

    private void complete(WorkerReport.Builder report) {
        report.setBypassed(bypassed).setStateKeys(panes.size());
        bypassed = 0;
        long[] split = panes.takeSplit(MOST_REALISED * Math.max(64, 4 * plan.options.workers()));
        for (int i = 0; i < split.length; i += 2) {
            report.addRealised(RealisedShare.newBuilder().setHash(split[i]).setCount(split[i + 1]));
        }
    }
}

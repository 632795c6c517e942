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
import java.util.Map;
import org.apache.flink.api.common.TaskInfo;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.operators.MailboxExecutor;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.runtime.state.KeyGroupRangeAssignment;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.runtime.state.VoidNamespace;
import org.apache.flink.runtime.state.VoidNamespaceSerializer;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.InternalTimer;
import org.apache.flink.streaming.api.operators.InternalTimerService;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.operators.Triggerable;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;
import org.apache.flink.util.OutputTag;

/**
 * A worker that aggregates: adds records to the pane of their key and slide, and when a watermark ends
 * a slide joins each key's panes to the window that ends there. A key that no other worker can have in
 * that window is finished at once; the partial results of all others go to the reducers.
 *
 * <p>Panes are keyed state, in whatever backend the job has: by key, a map from slides to accumulators. A timer
 * per key ends its next window. Keys lie in the worker's own key groups ({@link OwnGroups}), so the
 * state can be restored by any number of workers. After a restore a key may have panes at several workers, or
 * twice at one, under different codes: the windows of slides that had begun are therefore merged whole (see
 * {@link NoticeBoard}).
 *
 * @param <T> the type of records
 * @param <K> the type of keys
 * @param <ACC> the type of accumulators
 * @param <OUT> the type of results
 */
public final class CombineOperator<T, K, ACC, OUT> extends AbstractStreamOperator<Tuple3<K, Long, OUT>>
        implements OneInputStreamOperator<Envelope<T>, Tuple3<K, Long, OUT>>,
                Triggerable<StateKey<K>, VoidNamespace>,
                Panes.Store<K, ACC> {
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
    private transient ListState<Tuple5<K, Long, Long, Long, ACC>> former; // what version 0.1.0 saved
    private transient ListState<Long> savedNext;
    private transient MapState<Long, ACC> state; // of a key, by slide
    private transient InternalTimerService<VoidNamespace> timers;
    private transient OwnGroups groups;
    private transient TypeSerializer<ACC> serializer;
    private transient Panes<T, K, ACC> panes;
    private transient NoticeBoard board;
    private transient int worker;
    private transient Counter lateRecords;

    private transient long next; // the first slide that has not ended
    private transient long slide; // of the last record
    private transient long begins; // of it, ms
    private transient long ends;

    private transient NoticeBoard.Verdict verdict; // on the window that is being ended
    private transient long ending; // the slide that it ends with
    private transient List<Map.Entry<Long, ACC>> window; // of the key whose window ends

    private transient long keys; // with a window that ended with slide {@code ending}
    private transient Counter bypassed;
    private transient Counter partial; // results
    private transient long reported; // of those that bypassed
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
        TaskInfo task = getRuntimeContext().getTaskInfo();
        worker = task.getIndexOfThisSubtask();
        int all = task.getMaxNumberOfParallelSubtasks();
        groups = new OwnGroups(
                all, KeyGroupRangeAssignment.computeKeyGroupRangeForOperatorIndex(all, task.getNumberOfParallelSubtasks(), worker));
        serializer = accumulatorType.createSerializer(getExecutionConfig().getSerializerConfig());
        state = context.getKeyedStateStore().getMapState(new MapStateDescriptor<>("panes-by-slide", Types.LONG, accumulatorType));
        panes = new Panes<>(function, this);
        window = new ArrayList<>();
        board = new NoticeBoard(context.getRestoredCheckpointId().orElse(-1));
        savedNext = context.getOperatorStateStore().getUnionListState(new ListStateDescriptor<>("next", Types.LONG));
        long least = Slides.LAST;
        for (long n : savedNext.get()) {
            least = Math.min(least, n);
        }
        next = least < Slides.LAST ? least : Slides.FIRST; // nothing was saved, or by a job that had been drained
        ending = Slides.FIRST;
        former = context.getOperatorStateStore().getListState(new ListStateDescriptor<>(
                "panes", Types.TUPLE(keyType, Types.LONG, Types.LONG, Types.LONG, accumulatorType)));
    }

    @Override
    public void open() throws Exception {
        super.open();
        begins = ends = Long.MIN_VALUE;
        timers = getInternalTimerService("windows", VoidNamespaceSerializer.INSTANCE, this);
        takeOver();
        lateRecords = getMetricGroup().counter("numLateRecordsDropped");
        MetricGroup metrics = Plan.metrics(getMetricGroup());
        bypassed = metrics.counter("bypassedResults");
        partial = metrics.counter("partialResults");
        metrics.gauge("stateKeys", (Gauge<Long>) () -> keys);
        meter = new WorkerMeter<>(
                plan, worker, work, true, getMetricGroup(), getContainingTask().getEnvironment(), mailbox, this::complete);
    }

    /** Takes over the panes of a savepoint of version 0.1.0, which had them in a list. */
    private void takeOver() throws Exception {
        for (Tuple5<K, Long, Long, Long, ACC> pane : former.get()) { // key, hash, slide, the last window that had it, accumulator
            ACC before = get(pane.f0, pane.f1, pane.f2);
            put(pane.f0, pane.f1, pane.f2, before == null ? pane.f4 : Merger.merge(function, before, pane.f4, plan.options.uid()), true);
        }
        former.clear();
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
        panes.add(selector.getKey(value), envelope.hash, value, slide, Router.merged(envelope.destination));
        meter.end(time, envelope.hash);
    }

    /** Does nothing: {@link #get} and {@link #put} say which key's state they mean. */
    @Override
    @SuppressWarnings("rawtypes") // as it is declared
    public void setKeyContextElement1(StreamRecord record) {}

    @Override
    public ACC get(K key, long hash, long slide) throws Exception {
        setCurrentKey(new StateKey<>(groups.code(hash), hash, key));
        return state.get(slide);
    }

    @Override
    public void put(K key, long hash, long slide, ACC accumulator, boolean isNew) throws Exception {
        setCurrentKey(new StateKey<>(groups.code(hash), hash, key));
        state.put(slide, accumulator);
        if (isNew) {
            timers.registerEventTimeTimer(VoidNamespace.INSTANCE, lastMilli(Math.max(slide, next)));
        }
    }

    /** The last ms of a slide, which is the time of results of windows that end with it; before the end of time. */
    private long lastMilli(long of) {
        return of >= Long.MAX_VALUE / plan.length - 1 ? Long.MAX_VALUE - 1 : (of + 1) * plan.length - 1;
    }

    @Override
    public void processWatermark(Watermark mark) throws Exception {
        long last = Slides.ended(mark.getTimestamp(), plan.length);
        if (last < next) {
            super.processWatermark(mark);
            return;
        }
        panes.flush();
        super.processWatermark(mark); // ends windows, in order
        if (ending < last) {
            keys = 0;
        }
        next = last + 1;
        board.forget(next - plan.slides + 1);
    }

    /**
     * Is not forwarded. A reducer would not wait for this worker while it seems idle, although the worker
     * may be behind the others and not know yet that there are records again.
     */
    @Override
    public void processWatermarkStatus(WatermarkStatus status) {}

    /** Ends a key's window: hands its result on, and drops the pane that no later window has. */
    @Override
    public void onEventTime(InternalTimer<StateKey<K>, VoidNamespace> timer) throws Exception {
        long last = Slides.of(timer.getTimestamp(), plan.length);
        long first = last - plan.slides + 1;
        if (last != ending) {
            verdict = board.verdict(first, last);
            ending = last;
            keys = 0;
        }
        keys++;
        for (Map.Entry<Long, ACC> pane : state.entries()) {
            window.add(Map.entry(pane.getKey(), pane.getValue()));
        }
        window.sort((a, b) -> Long.compare(b.getKey(), a.getKey())); // the order may make a difference to the last digit
        ACC joined = null;
        long again = Slides.LAST; // the last slide of the key's next window
        for (Map.Entry<Long, ACC> pane : window) {
            long slide = pane.getKey();
            if (first <= slide && slide <= last) {
                joined = join(joined, pane.getValue(), slide > first);
            }
            if (slide > first) {
                again = Math.max(slide, last + 1);
            } else {
                state.remove(slide);
            }
        }
        window.clear();
        if (again < Slides.LAST && lastMilli(again) > timer.getTimestamp()) {
            timers.registerEventTimeTimer(VoidNamespace.INSTANCE, lastMilli(again));
        }
        if (joined != null) {
            emit(timer.getKey(), timer.getTimestamp(), joined);
        }
    }

    /** Joins a pane to those before; later windows may need it again. */
    private ACC join(ACC joined, ACC pane, boolean again) {
        if (work != null && plan.slides > 1) {
            work.pane(worker, pane);
        }
        // A merge may change or keep its arguments, and later windows need the original.
        ACC own = again ? serializer.copy(pane) : pane;
        return joined == null ? own : Merger.merge(function, joined, own, plan.options.uid());
    }

    private void emit(StateKey<K> key, long lastMilli, ACC accumulator) throws Exception {
        if (work != null) {
            work.emit(worker, accumulator);
        }
        if (verdict.merges(key.hash)) {
            partial.inc();
            output.collect(partials, new StreamRecord<>(Tuple3.of(key.key, lastMilli + 1, accumulator), lastMilli));
        } else {
            bypassed.inc();
            output.collect(new StreamRecord<>(Tuple3.of(key.key, lastMilli + 1, function.getResult(accumulator)), lastMilli));
        }
    }

    /** Is never called: no timer of processing time is registered. */
    @Override
    public void onProcessingTime(InternalTimer<StateKey<K>, VoidNamespace> timer) {}

    @Override
    public void snapshotState(StateSnapshotContext context) throws Exception {
        panes.flush();
        super.snapshotState(context);
        savedNext.update(List.of(next));
    }

    private void complete(WorkerReport.Builder report) {
        report.setBypassed(bypassed.getCount() - reported).setStateKeys(keys);
        reported = bypassed.getCount();
        long[] split = panes.takeSplit(MOST_REALISED * Math.max(64, 4 * plan.options.workers()));
        for (int i = 0; i < split.length; i += 2) {
            report.addRealised(RealisedShare.newBuilder().setHash(split[i]).setCount(split[i + 1]));
        }
    }
}

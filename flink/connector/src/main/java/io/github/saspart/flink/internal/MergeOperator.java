package io.github.saspart.flink.internal;

import io.github.saspart.flink.WorkFunction;
import io.github.saspart.flink.internal.report.BusyTime;
import io.github.saspart.flink.internal.report.Count;
import io.github.saspart.flink.internal.report.Reporter;
import io.github.saspart.v1.ReducerReport;
import io.github.saspart.v1.Report;
import io.github.saspart.v1.Role;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.metrics.Counter;
import org.apache.flink.runtime.state.VoidNamespace;
import org.apache.flink.runtime.state.VoidNamespaceSerializer;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.InternalTimer;
import org.apache.flink.streaming.api.operators.InternalTimerService;
import org.apache.flink.streaming.api.operators.Triggerable;
import org.apache.flink.streaming.api.operators.TwoInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;

/**
 * A reducer: merges the partial results of a key and window. All of them have arrived when the watermark
 * reaches the window's end, because each worker emits them before it forwards the watermark. Workers never seem
 * idle here ({@link PartialsOperator}), but tell when they are: while all of them are, results are idle too.
 *
 * @param <R> the type by which reducers are keyed
 * @param <K> the type of keys
 * @param <ACC> the type of accumulators
 * @param <OUT> the type of results
 */
public final class MergeOperator<R, K, ACC, OUT> extends AbstractStreamOperator<Tuple3<K, Long, OUT>>
        implements TwoInputStreamOperator<Tuple3<K, Long, ACC>, Tuple3<Integer, Integer, Long>, Tuple3<K, Long, OUT>>,
                Triggerable<R, VoidNamespace> {
    private static final long serialVersionUID = 1;

    private final Plan plan;
    private final AggregateFunction<?, ACC, OUT> function;
    private final TypeInformation<Tuple3<K, Long, ACC>> type;
    private final WorkFunction<?, ACC> work; // null: no caller wants to know

    private transient MapState<Long, Tuple3<K, Long, ACC>> merged; // by the window's end
    private transient InternalTimerService<VoidNamespace> timers;
    private transient int reducer;
    private transient Count keys;
    private transient Count pairs;
    private transient Counter results;
    private transient Reporter reporter;

    private transient Map<Integer, Long> idle; // workers, and the watermark at which each is
    private transient int workers;
    private transient long watermark;
    private transient WatermarkStatus status; // of the results

    /** A reducer of this plan, of partial results of this type. */
    @SuppressWarnings("unchecked")
    public MergeOperator(Plan plan, AggregateFunction<?, ACC, OUT> function, TypeInformation<Tuple3<K, Long, ACC>> type) {
        this.plan = plan;
        this.function = function;
        this.type = type;
        this.work = (WorkFunction<?, ACC>) plan.options.work();
    }

    @Override
    public void open() throws Exception {
        super.open();
        merged = getRuntimeContext().getMapState(new MapStateDescriptor<>("merged", Types.LONG, type));
        timers = getInternalTimerService("user-timers", VoidNamespaceSerializer.INSTANCE, this); // as Flink calls a function's
        reducer = getRuntimeContext().getTaskInfo().getIndexOfThisSubtask();
        keys = new Count();
        pairs = new Count();
        results = Plan.metrics(getMetricGroup()).counter("mergedResults");
        idle = new HashMap<>();
        watermark = Long.MIN_VALUE;
        status = WatermarkStatus.ACTIVE;
        BusyTime time = new BusyTime(getMetricGroup());
        if (work != null) {
            work.open(time::busyNanos);
        }
        reporter = plan.reporter(
                Role.ROLE_REDUCER, reducer, getContainingTask().getEnvironment().getJobID(), null, Silent.LISTENER, null,
                () -> new Draft(time));
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
    public void processElement1(StreamRecord<Tuple3<K, Long, ACC>> record) throws Exception {
        Tuple3<K, Long, ACC> partial = record.getValue();
        if (work != null) {
            work.merge(reducer, partial.f2);
        }
        pairs.add(1);
        Tuple3<K, Long, ACC> before = merged.get(partial.f1);
        if (before == null) {
            timers.registerEventTimeTimer(VoidNamespace.INSTANCE, partial.f1 - 1);
            merged.put(partial.f1, partial);
            return;
        }
        merged.put(partial.f1, Tuple3.of(before.f0, before.f1, Merger.merge(function, before.f2, partial.f2, plan.options.uid())));
    }

    @Override
    public void processElement2(StreamRecord<Tuple3<Integer, Integer, Long>> record) {
        Tuple3<Integer, Integer, Long> told = record.getValue();
        workers = told.f1;
        if (told.f2 == PartialsOperator.ACTIVE) {
            idle.remove(told.f0);
        } else {
            idle.put(told.f0, told.f2);
        }
        showStatus();
    }

    @Override
    public void processWatermark(Watermark mark) throws Exception {
        super.processWatermark(mark);
        watermark = mark.getTimestamp();
        showStatus();
    }

    /** Results are idle if all workers are, and have sent nothing that is not merged yet. */
    private void showStatus() {
        boolean all = !idle.isEmpty() && idle.size() == workers && watermark >= idle.values().stream().mapToLong(w -> w).min().getAsLong();
        WatermarkStatus now = all ? WatermarkStatus.IDLE : WatermarkStatus.ACTIVE;
        if (!now.equals(status)) {
            status = now;
            output.emitWatermarkStatus(now);
        }
    }

    @Override
    public void onEventTime(InternalTimer<R, VoidNamespace> timer) throws Exception {
        long end = timer.getTimestamp() + 1;
        Tuple3<K, Long, ACC> whole = merged.get(end);
        merged.remove(end);
        keys.add(1);
        results.inc();
        output.collect(new StreamRecord<>(Tuple3.of(whole.f0, end, function.getResult(whole.f2)), timer.getTimestamp()));
    }

    /** Is never called: no timer of processing time is registered. */
    @Override
    public void onProcessingTime(InternalTimer<R, VoidNamespace> timer) {}

    /** The reducer's report on one slide. */
    private final class Draft implements Reporter.Draft {
        private final ReducerReport.Builder report;

        Draft(BusyTime time) {
            time.sample();
            report = ReducerReport.newBuilder()
                    .setIndex(reducer)
                    .setBusy(time.busy())
                    .setKeys(keys.take())
                    .setPairs(pairs.take());
        }

        @Override
        public void complete() {}

        @Override
        public void write(Report.Builder to) {
            to.addReducers(report);
        }
    }
}

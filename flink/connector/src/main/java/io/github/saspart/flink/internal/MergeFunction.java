package io.github.saspart.flink.internal;

import io.github.saspart.flink.WorkFunction;
import io.github.saspart.flink.internal.report.BusyTime;
import io.github.saspart.flink.internal.report.Count;
import io.github.saspart.flink.internal.report.Reporter;
import io.github.saspart.v1.ReducerReport;
import io.github.saspart.v1.Report;
import io.github.saspart.v1.Role;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.metrics.Counter;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * A reducer: merges the partial results of a key and window. All of them have arrived when the watermark
 * reaches the window's end, because each worker emits them before it forwards the watermark.
 *
 * @param <R> the type by which reducers are keyed
 * @param <K> the type of keys
 * @param <ACC> the type of accumulators
 * @param <OUT> the type of results
 */
public final class MergeFunction<R, K, ACC, OUT> extends KeyedProcessFunction<R, Tuple3<K, Long, ACC>, Tuple3<K, Long, OUT>> {
    private static final long serialVersionUID = 1;

    private final Plan plan;
    private final AggregateFunction<?, ACC, OUT> function;
    private final TypeInformation<Tuple3<K, Long, ACC>> type;
    private final WorkFunction<?, ACC> work; // null: no caller wants to know

    private transient MapState<Long, Tuple3<K, Long, ACC>> merged; // by the window's end
    private transient int reducer;
    private transient Count keys;
    private transient Count pairs;
    private transient Counter results;
    private transient Reporter reporter;

    /** A reducer of this plan, of partial results of this type. */
    @SuppressWarnings("unchecked")
    public MergeFunction(Plan plan, AggregateFunction<?, ACC, OUT> function, TypeInformation<Tuple3<K, Long, ACC>> type) {
        this.plan = plan;
        this.function = function;
        this.type = type;
        this.work = (WorkFunction<?, ACC>) plan.options.work();
    }

    @Override
    public void open(OpenContext context) throws Exception {
        merged = getRuntimeContext().getMapState(new MapStateDescriptor<>("merged", Types.LONG, type));
        reducer = getRuntimeContext().getTaskInfo().getIndexOfThisSubtask();
        keys = new Count();
        pairs = new Count();
        results = Plan.metrics(getRuntimeContext().getMetricGroup()).counter("mergedResults");
        BusyTime time = new BusyTime(getRuntimeContext().getMetricGroup());
        if (work != null) {
            work.open(time::busyNanos);
        }
        reporter = plan.reporter(
                Role.ROLE_REDUCER, reducer, getRuntimeContext().getJobInfo().getJobId(), null, Silent.LISTENER, null,
                () -> new Draft(time));
        if (reporter != null) {
            reporter.open();
        }
    }

    @Override
    public void close() {
        if (reporter != null) {
            reporter.close();
        }
    }

    @Override
    public void processElement(Tuple3<K, Long, ACC> partial, Context context, Collector<Tuple3<K, Long, OUT>> out)
            throws Exception {
        if (work != null) {
            work.merge(reducer, partial.f2);
        }
        pairs.add(1);
        Tuple3<K, Long, ACC> before = merged.get(partial.f1);
        if (before == null) {
            context.timerService().registerEventTimeTimer(partial.f1 - 1);
            merged.put(partial.f1, partial);
            return;
        }
        merged.put(partial.f1, Tuple3.of(before.f0, before.f1, Merger.merge(function, before.f2, partial.f2, plan.options.uid())));
    }

    @Override
    public void onTimer(long time, OnTimerContext context, Collector<Tuple3<K, Long, OUT>> out) throws Exception {
        long end = time + 1;
        Tuple3<K, Long, ACC> whole = merged.get(end);
        merged.remove(end);
        keys.add(1);
        results.inc();
        out.collect(Tuple3.of(whole.f0, end, function.getResult(whole.f2)));
    }

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

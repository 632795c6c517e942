package io.github.saspart.flink.internal;

import com.google.protobuf.ByteString;
import io.github.saspart.flink.client.Background;
import io.github.saspart.flink.client.Wire;
import io.github.saspart.flink.internal.report.BusyTime;
import io.github.saspart.flink.internal.report.Count;
import io.github.saspart.flink.internal.report.Observer;
import io.github.saspart.flink.internal.report.PartitionMetrics;
import io.github.saspart.flink.internal.report.Reporter;
import io.github.saspart.flink.internal.split.Slides;
import io.github.saspart.flink.routing.Capacities;
import io.github.saspart.flink.routing.Follower;
import io.github.saspart.flink.routing.Hashing;
import io.github.saspart.flink.routing.Learner;
import io.github.saspart.flink.routing.Limited;
import io.github.saspart.flink.routing.Options;
import io.github.saspart.flink.routing.Route;
import io.github.saspart.flink.routing.Router;
import io.github.saspart.flink.routing.Routers;
import io.github.saspart.flink.routing.Sharer;
import io.github.saspart.flink.routing.Unattended;
import io.github.saspart.v1.PartitionerReport;
import io.github.saspart.v1.Report;
import io.github.saspart.v1.Role;
import java.util.List;
import java.util.concurrent.RejectedExecutionException;
import org.apache.flink.api.common.operators.MailboxExecutor;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.metrics.Counter;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;

/**
 * A partitioner subtask: gives each record its destination. With the first record of a slide it adopts
 * the policy server's decisions; while it is late, it also adopts routes inside the slide. The two kinds
 * of partitioners send records to their destinations in different ways. The record path takes no lock and
 * allocates nothing.
 *
 * @param <T> the type of records
 * @param <K> the type of keys
 * @param <OUT> what is sent to workers
 */
public abstract class PartitionOperator<T, K, OUT> extends AbstractStreamOperator<OUT>
        implements OneInputStreamOperator<T, OUT> {
    private static final long serialVersionUID = 1;

    /** A record that is this many slides ahead of the clock begins none: nothing would be taken up until then. */
    private static final long MOST_AHEAD = 8;

    final Plan plan;
    private final KeySelector<T, K> selector;
    private final KeyCodec<K> codec;

    private transient MailboxExecutor mailbox;
    private transient ListState<Tuple2<Long, byte[]>> saved; // newest slide, route
    transient Options options;
    transient Router router;
    transient Route route; // in force; null: the one that jobs start with
    private transient Inbox inbox;
    private transient Observer observer; // null without a server
    private transient Reporter reporter;
    private transient Counter lateRecords;
    private transient PartitionMetrics metrics;

    transient long newest; // the latest slide that has begun
    private transient long begins; // of the slide of the last record, ms; it ends before ends
    private transient long ends;
    private transient boolean late; // that slide has ended before

    private transient Count sent;
    private transient volatile long routeVersion;
    private transient volatile long turned; // when another route or router came in force, ms
    private transient volatile String name; // of the partitioner
    private transient volatile boolean learns; // the partitioner, from busy ratios
    private transient volatile boolean follows; // the partitioner, routes

    PartitionOperator(Plan plan, KeySelector<T, K> selector, KeyCodec<K> codec) {
        this.plan = plan;
        this.selector = selector;
        this.codec = codec;
    }

    @Override
    public void setMailboxExecutor(MailboxExecutor executor) {
        super.setMailboxExecutor(executor);
        mailbox = executor;
    }

    @Override
    public void initializeState(StateInitializationContext context) throws Exception {
        super.initializeState(context);
        saved = context.getOperatorStateStore().getListState(new ListStateDescriptor<>(
                "partitioner", Types.TUPLE(Types.LONG, PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO)));
        newest = Slides.FIRST;
        for (Tuple2<Long, byte[]> s : saved.get()) {
            newest = Math.max(newest, s.f0);
            Route then = s.f1.length == 0 ? null : Wire.decode(s.f1, plan.options.workers());
            if (then != null && (route == null || Long.compareUnsigned(then.version(), route.version()) > 0)) {
                route = then;
            }
        }
        options = Options.of(plan.options.partitioner());
        makeRouter();
        restored(context);
        newest = Math.min(newest, now() + MOST_AHEAD);
    }

    @Override
    public void open() throws Exception {
        super.open();
        int subtask = getRuntimeContext().getTaskInfo().getIndexOfThisSubtask();
        reenter();
        sent = new Count();
        lateRecords = getMetricGroup().counter("numLateRecordsDropped");
        inbox = new Inbox(subtask, plan.options.control(), this::catchUpSoon);
        metrics = new PartitionMetrics(
                Plan.metrics(getMetricGroup()), plan.options.workers(), () -> follows ? inbox.decides() : name);
        showRoute();
        BusyTime time = new BusyTime(getMetricGroup());
        reporter = plan.reporter(
                Role.ROLE_PARTITIONER, subtask, getContainingTask().getEnvironment().getJobID(), route, inbox, mailbox,
                () -> new Draft(time, subtask));
        if (reporter != null) {
            observer = new Observer(plan.options.hotKeys(), plan.slots());
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
    public final void processElement(StreamRecord<T> record) throws Exception {
        K key = selector.getKey(record.getValue());
        if (key == null) {
            throw new NullPointerException("Assigned key must not be null!"); // as keyBy says it
        }
        long time = record.hasTimestamp() ? record.getTimestamp() : untimed();
        if (time < begins || time >= ends) {
            turn(time);
        }
        if (late) {
            lateRecords.inc();
            return;
        }
        int length = codec.encode(key);
        byte[] bytes = codec.buffer;
        long hash = Hashing.hash(bytes, 0, length);
        int destination = router.route(hash, bytes, 0, length);
        if (observer != null) {
            observer.see(hash, bytes, length);
        }
        sent.add(1);
        metrics.sent(Router.worker(destination));
        send(record, hash, destination);
    }

    /** Puts out a record. */
    abstract void send(StreamRecord<T> record, long hash, int destination);

    /** The time of a record that has none of its own, ms. */
    abstract long untimed();

    /** Goes to a slide, of which the next records are; false: it has ended, and they are late. */
    abstract boolean enter(long slide);

    /** Takes note that records may go by another rule, from the first record of {@code slide} on as far as is known. */
    abstract void changed(long slide);

    /** Continues from a checkpoint, if there is one; {@link #newest} and the router are set. */
    abstract void restored(StateInitializationContext context) throws Exception;

    /** Goes to the slide of a time, and begins it if it is later than all before. */
    private void turn(long time) {
        long slide = Slides.of(time, plan.length);
        if (slide > newest) {
            long now = now();
            long begun = Math.min(slide, now + MOST_AHEAD);
            if (begun > newest) {
                newest = begun;
                if (begun > 0) {
                    router.endSlide(begun - 1);
                }
                metrics.endSlide(router instanceof Limited ? ((Limited) router).takeOverflowed() : 0);
                inbox.take(Math.max(begun, now), new Taker(begun));
            }
        }
        begins = slide * plan.length;
        ends = begins + plan.length;
        late = !enter(slide);
    }

    /** Has the next record enter its slide anew. */
    final void reenter() {
        begins = ends = Long.MIN_VALUE;
    }

    /** The slide of the clock. */
    private long now() {
        return Slides.of(System.currentTimeMillis(), plan.length);
    }

    /** Lets {@link #catchUp} be called between two records. On any thread. */
    private void catchUpSoon() {
        try {
            mailbox.execute(this::catchUp, "saspart route");
        } catch (RejectedExecutionException e) {
            LOG.debug("a route comes too late: the task has ended");
        }
    }

    /**
     * Adopts the latest route inside the slide if the subtask is late: if its slide should have ended
     * more than a slide ago. Blocked by one worker, it might wait long for the slide's end, although the
     * route would relieve that worker.
     */
    private void catchUp() {
        if (newest == Slides.FIRST || !(router instanceof Follower)) {
            return;
        }
        long left = (newest + 2) * plan.length - System.currentTimeMillis();
        if (left >= 0) { // it may come to be behind
            if (inbox.canCatchUp()) {
                Background.THREAD.after(left + 1, this::catchUpSoon);
            }
            return;
        }
        Route before = route;
        inbox.catchUp(new Taker(newest + 1));
        if (route != before) {
            reenter(); // the slide has to hear that the next record goes by another map
        }
    }

    /** Adopts what has arrived for a slide. */
    private final class Taker implements Inbox.Taker {
        private final long slide;

        Taker(long slide) {
            this.slide = slide;
        }

        @Override
        public void partitioner(Options next) {
            options = next;
            makeRouter();
            turned();
        }

        @Override
        public void capacities(Capacities next) {
            if (router instanceof Limited) {
                ((Limited) router).within(next);
            }
        }

        @Override
        public void route(Route next) {
            route = next;
            if (router instanceof Follower) {
                ((Follower) router).follow(next, slide);
                routeVersion = next.version();
                turned();
            }
        }

        @Override
        public void busy(double[] ratios) {
            if (router instanceof Learner) {
                ((Learner) router).observe(ratios);
            }
        }

        @Override
        public void shares(List<byte[]> shares) {
            if (router instanceof Sharer) {
                ((Sharer) router).absorb(shares);
            }
        }

        @Override
        public void alone(boolean alone) {
            if (router instanceof Unattended) {
                ((Unattended) router).unattended(alone, slide);
            }
        }

        private void turned() {
            turned = System.currentTimeMillis();
            showRoute();
            changed(slide);
        }
    }

    private void showRoute() {
        long split = follows && route != null ? route.keys().stream().filter(k -> k.size() > 1).count() : 0;
        metrics.route(routeVersion, split);
    }

    private void makeRouter() {
        router = Routers.create(options, plan.env(
                getRuntimeContext().getTaskInfo().getIndexOfThisSubtask(),
                getRuntimeContext().getTaskInfo().getNumberOfParallelSubtasks()));
        name = options.name;
        learns = router instanceof Learner;
        follows = router instanceof Follower;
        routeVersion = 0;
        if (newest > 0) {
            router.endSlide(newest - 1);
        }
        if (router instanceof Follower && route != null) {
            ((Follower) router).follow(route, Math.max(0, newest));
            routeVersion = route.version();
        }
    }

    @Override
    public void snapshotState(StateSnapshotContext context) throws Exception {
        super.snapshotState(context);
        saved.update(List.of(Tuple2.of(through(), route == null ? new byte[0] : Wire.encode(route))));
    }

    /** Up to where a restored subtask has to take slides for begun. */
    long through() {
        return newest;
    }

    /** The subtask's report on one slide. */
    private final class Draft implements Reporter.Draft {
        private final PartitionerReport.Builder report = PartitionerReport.newBuilder();

        Draft(BusyTime time, int subtask) {
            time.sample();
            long records = sent.take();
            double rate = plan.options.offered() == null
                    ? records * 1000.0 / plan.length
                    : plan.options.offered().recordsPerSecond(subtask);
            report.setIndex(subtask)
                    .setSent(records)
                    .setOffered(rate >= 0 && rate <= 1e15 ? rate : 0)
                    .setBlocked(time.blocked())
                    .setRouteVersion(routeVersion)
                    .setPartitioner(name)
                    .setLearns(learns)
                    .setRouteChanged(System.currentTimeMillis() - turned < 2 * plan.length);
        }

        @Override
        public void complete() {
            observer.report(report, codec::name);
            if (router instanceof Sharer) {
                report.setShare(ByteString.copyFrom(((Sharer) router).share()));
            }
        }

        @Override
        public void write(Report.Builder to) {
            to.addPartitioners(report);
        }
    }
}

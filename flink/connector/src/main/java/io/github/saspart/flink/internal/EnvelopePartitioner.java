package io.github.saspart.flink.internal;

import io.github.saspart.flink.internal.split.Ledger;
import io.github.saspart.flink.internal.split.Notice;
import io.github.saspart.flink.internal.split.NoticeBoard;
import io.github.saspart.flink.internal.split.RouteMap;
import io.github.saspart.flink.internal.split.SlideLog;
import io.github.saspart.flink.internal.split.Slides;
import io.github.saspart.flink.routing.Follower;
import io.github.saspart.flink.routing.Route;
import io.github.saspart.flink.routing.Router;
import java.util.List;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;

/**
 * A partitioner before workers that aggregate. It sends each record in an envelope with its hash and
 * destination, and sends workers the notices with which they finish keys alone ({@link NoticeBoard}).
 *
 * @param <T> the type of records
 * @param <K> the type of keys
 */
public final class EnvelopePartitioner<T, K> extends PartitionOperator<T, K, Envelope<T>> {
    private static final long serialVersionUID = 1;

    private transient ListState<Long> savedAhead; // later slides with records
    private transient Ledger ledger;
    private transient SlideLog log; // of the slide of the last record; null if it is late
    private transient boolean verify; // whether records that are not marked have to be at home
    private transient int homeSlots; // that home goes by; 0: it goes by hash modulo P

    /** A partitioner of records by the keys that {@code selector} takes and {@code codec} writes. */
    public EnvelopePartitioner(Plan plan, KeySelector<T, K> selector, KeyCodec<K> codec) {
        super(plan, selector, codec);
    }

    @Override
    void restored(StateInitializationContext context) throws Exception {
        savedAhead = context.getOperatorStateStore().getListState(new ListStateDescriptor<>("ahead", Types.LONG));
        findHomes();
        // Of slides up to the newest there may be records that were routed before the restore. Each
        // subtask's newest is some subtask's now, which is enough: workers wait to hear of all.
        ledger = new Ledger(
                context.getRestoredCheckpointId().orElse(-1),
                getRuntimeContext().getTaskInfo().getIndexOfThisSubtask(),
                getRuntimeContext().getTaskInfo().getNumberOfParallelSubtasks(),
                plan.slides, newest + 1, map());
        for (long slide : savedAhead.get()) {
            ledger.scattered(slide);
        }
    }

    @Override
    void send(StreamRecord<T> record, long hash, int destination) {
        if (Router.merged(destination) || verify && home(hash) != destination) {
            log.mark(hash); // other workers may have records of the key
            destination |= Router.MERGE;
        }
        // Envelopes are not reused: G1 needs a fence to store a new record in an old object, which takes
        // longer than a new envelope.
        output.collect(record.replace(new Envelope<T>().of(destination, hash, record.getValue()))); // with its timestamp
    }

    @Override
    long untimed() {
        throw new IllegalStateException(
                plan.options.uid() + ": a record has no timestamp; assign timestamps and watermarks before the aggregation");
    }

    @Override
    boolean enter(long slide) {
        log = slide < ledger.closed() ? null : ledger.log(slide);
        return log != null;
    }

    @Override
    void changed(long slide) {
        findHomes();
        ledger.change(map(), slide);
    }

    private void findHomes() {
        verify = !(router instanceof Follower) && !options.name.equals("hash");
        homeSlots = options.name.equals("dalton-offline") ? Route.slotCount(plan.options.workers()) : 0;
    }

    /** The worker of the key's cold records, unless the router follows routes. */
    private int home(long hash) {
        int workers = plan.options.workers();
        return homeSlots > 0
                ? Route.slotOf(hash, homeSlots) % workers
                : (int) Long.remainderUnsigned(hash, workers);
    }

    /** Where the router has keys that are not marked. */
    private RouteMap map() {
        boolean follows = router instanceof Follower;
        if (!follows && homeSlots == 0) {
            return RouteMap.HOME;
        }
        return RouteMap.of(follows && route != null ? route : Route.hash(plan.options.workers()));
    }

    @Override
    public void processWatermark(Watermark mark) throws Exception {
        long ended = plan.times.ended(mark.getTimestamp());
        if (ended >= ledger.closed()) {
            tell(ledger.close(ended));
        }
        super.processWatermark(mark);
    }

    @Override
    public void processWatermarkStatus(WatermarkStatus status) throws Exception {
        tell(status.isIdle() ? ledger.idle() : ledger.active());
        super.processWatermarkStatus(status);
    }

    /** Tells every worker. */
    private void tell(Notice notice) {
        reenter(); // the log at hand may have been closed
        byte[] bytes = notice.encode();
        for (int w = 0; w < plan.options.workers(); w++) {
            output.collect(new StreamRecord<>(new Envelope<T>().of(w, bytes)));
        }
    }

    @Override
    public void snapshotState(StateSnapshotContext context) throws Exception {
        super.snapshotState(context);
        savedAhead.update(ledger.ahead(through()));
    }

    @Override
    long through() {
        long ended = ledger.closed() - 1;
        return ended < Slides.LAST ? Math.max(newest, ended) : newest; // not by the last watermark of all
    }
}

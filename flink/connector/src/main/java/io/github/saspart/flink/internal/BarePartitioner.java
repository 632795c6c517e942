package io.github.saspart.flink.internal;

import io.github.saspart.flink.routing.Router;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;

/**
 * A partitioner before workers that only take records: puts them out as they are, and tells the {@link
 * BareEdge} behind it where each goes.
 *
 * @param <T> the type of records
 * @param <K> the type of keys
 */
public final class BarePartitioner<T, K> extends PartitionOperator<T, K, T> {
    private static final long serialVersionUID = 1;

    private transient Heading heading;

    /** A partitioner of records by the keys that {@code selector} takes and {@code codec} writes. */
    public BarePartitioner(Plan plan, KeySelector<T, K> selector, KeyCodec<K> codec) {
        super(plan, selector, codec);
    }

    @Override
    void send(StreamRecord<T> record, long hash, int destination) {
        int worker = Router.worker(destination);
        if (heading == null) {
            heading = new Heading(worker);
            heading.offer(() -> output.collect(record));
            return;
        }
        heading.worker = worker;
        output.collect(record);
    }

    @Override
    long untimed() {
        return System.currentTimeMillis();
    }

    @Override
    boolean enter(long slide) {
        return true;
    }

    @Override
    void changed(long slide) {}

    @Override
    void restored(StateInitializationContext context) {}
}

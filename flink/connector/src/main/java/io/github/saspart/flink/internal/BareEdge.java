package io.github.saspart.flink.internal;

import io.github.saspart.flink.routing.Hashing;
import org.apache.flink.api.common.functions.Partitioner;
import org.apache.flink.api.java.functions.KeySelector;

/**
 * Sends records where the {@link BarePartitioner} before it says. There is none at a worker that is
 * restored from an unaligned checkpoint with another number of workers. Such a worker asks which of the
 * records in flight are its own: a record then belongs to its key's home, so exactly one worker takes it.
 *
 * @param <T> the type of records
 * @param <K> the type of keys
 */
public final class BareEdge<T, K> implements Partitioner<Heading>, KeySelector<T, Heading> {
    private static final long serialVersionUID = 1;

    private final KeySelector<T, K> selector;
    private final KeyCodec<K> codec;
    private final int workers;

    private transient Heading heading; // null before the first record

    /** An edge for records with the keys that {@code selector} takes and {@code codec} writes. */
    public BareEdge(KeySelector<T, K> selector, KeyCodec<K> codec, int workers) {
        this.selector = selector;
        this.codec = codec;
        this.workers = workers;
    }

    @Override
    public Heading getKey(T value) throws Exception {
        if (heading == null) {
            heading = Heading.take();
        }
        return heading != null ? heading : home(value);
    }

    private Heading home(T value) throws Exception {
        int length = codec.encode(selector.getKey(value));
        return new Heading((int) Long.remainderUnsigned(Hashing.hash(codec.buffer, 0, length), workers));
    }

    @Override
    public int partition(Heading heading, int workers) {
        return EnvelopeEdge.among(workers, heading.worker);
    }
}

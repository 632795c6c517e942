package io.github.saspart.flink.internal;

import io.github.saspart.flink.routing.Router;
import org.apache.flink.api.common.functions.Partitioner;
import org.apache.flink.api.java.functions.KeySelector;

/**
 * Sends envelopes where they say.
 *
 * @param <T> the type of records
 */
public final class EnvelopeEdge<T> implements Partitioner<Envelope<T>>, KeySelector<Envelope<T>, Envelope<T>> {
    private static final long serialVersionUID = 1;

    @Override
    public Envelope<T> getKey(Envelope<T> envelope) {
        return envelope; // has all that is asked for, which so need not be boxed
    }

    @Override
    public int partition(Envelope<T> envelope, int workers) {
        return among(workers, Router.worker(envelope.destination));
    }

    /**
     * A worker among those that run. On a cluster that runs fewer than were asked for, those that are
     * not there have their records done by others.
     */
    static int among(int workers, int worker) {
        return worker < workers ? worker : worker % workers;
    }
}

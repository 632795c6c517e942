package io.github.saspart.flink.internal;

import io.github.saspart.flink.routing.Router;
import org.apache.flink.api.common.functions.Partitioner;
import org.apache.flink.api.java.functions.KeySelector;

/**
 * Sends envelopes where they say. On a cluster that runs fewer workers than were asked for, those that
 * are not there have their records done by others.
 *
 * @param <T> the type of records
 */
public final class Destination<T> implements Partitioner<Integer>, KeySelector<Envelope<T>, Integer> {
    private static final long serialVersionUID = 1;

    @Override
    public Integer getKey(Envelope<T> envelope) {
        return Router.worker(envelope.destination);
    }

    @Override
    public int partition(Integer worker, int workers) {
        return worker < workers ? worker : worker % workers;
    }
}

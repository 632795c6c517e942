package io.github.saspart.flink.jobs.task;

import io.github.saspart.flink.jobs.source.Event;
import io.github.saspart.flink.jobs.source.Payload;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.java.tuple.Tuple2;

/**
 * A keyed aggregation whose partial states can be merged. Its results are the number of records and a
 * canonical text: equal aggregates have equal texts.
 *
 * @param <ACC> the state of a key
 */
public abstract class Task<ACC> implements AggregateFunction<Event, ACC, Tuple2<Long, String>> {
    private static final long serialVersionUID = 1;

    private final boolean renders;

    /** @param renders whether anybody reads the texts; they are empty if not */
    Task(boolean renders) {
        this.renders = renders;
    }

    /** The task of a configuration; {@code renders} as in the results' texts are read. */
    public static Task<?> of(TaskConfig config, boolean renders) {
        return config.kind.create.apply(config, renders);
    }

    /** The work in a record beyond the record itself: words, values. */
    public abstract long units(Event event);

    /** How many entries (words, centroids) a merge of this state has to touch. */
    public abstract long size(ACC state);

    /** The records in a state. */
    public abstract long records(ACC state);

    /**
     * The text of a state without what depends on how its records were split over partial states: all of
     * it but the quantiles, which are estimates.
     */
    public abstract String exact(ACC state);

    /** The text of a state. */
    String text(ACC state) {
        return exact(state);
    }

    @Override
    public final Tuple2<Long, String> getResult(ACC state) {
        return Tuple2.of(records(state), renders ? text(state) : "");
    }
}

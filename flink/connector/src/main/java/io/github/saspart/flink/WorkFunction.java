package io.github.saspart.flink;

import java.io.Serializable;
import java.util.function.LongSupplier;

/**
 * Called with each piece of work of an aggregation, on the thread that does it. It may count or lengthen
 * the work: its own time counts as the worker's. Each subtask has its own copy.
 *
 * @param <T> the type of records
 * @param <ACC> the type of accumulators
 */
public interface WorkFunction<T, ACC> extends Serializable {
    /**
     * A subtask begins.
     *
     * @param busyNanos how long the subtask has been busy so far, in ns, as in reports: all time except
     *     waiting for records or for the consumers of its results
     */
    default void open(LongSupplier busyNanos) {}

    /**
     * A record is about to be added to its key's accumulator.
     *
     * @param worker the worker's index, from 0
     * @return the units of work in the record (words, values), for the worker's report
     */
    long record(int worker, T value);

    /**
     * How long the record that was announced last takes on this worker, ns. Negative: as long as it takes to
     * announce and to add it, which the connector measures.
     */
    default double nanos() {
        return -1;
    }

    /** The accumulator of one slide is about to be joined to a window that has several. */
    default void pane(int worker, ACC pane) {}

    /** The partial result of one key and window is about to be handed on. */
    default void emit(int worker, ACC partial) {}

    /**
     * A worker's partial result is about to be merged.
     *
     * @param reducer the reducer's index, from 0
     */
    default void merge(int reducer, ACC partial) {}
}

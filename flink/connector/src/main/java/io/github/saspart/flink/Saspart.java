package io.github.saspart.flink;

import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;

/** Partitions streams so that no worker is overloaded by heavy keys. */
public final class Saspart {
    private Saspart() {}

    /**
     * Sends each record to the worker that is chosen for it. Records of one key may go to several
     * workers, and to others later: who aggregates them has to merge by key afterwards.
     *
     * @return the records, at a parallelism of {@code options.workers()}; what is chained to it runs
     *     where the records are
     */
    public static <T, K> SingleOutputStreamOperator<T> partition(
            DataStream<T> stream, KeySelector<T, K> key, SaspartOptions options) {
        throw new UnsupportedOperationException();
    }

    /**
     * Aggregates a stream by key over sliding windows of event time, with heavy keys split over several
     * workers and merged afterwards.
     *
     * @return for each key and window with records: the key, the end of the window in ms (exclusive),
     *     and the result
     */
    public static <T, K, ACC, OUT> DataStream<Tuple3<K, Long, OUT>> aggregate(
            DataStream<T> stream,
            KeySelector<T, K> key,
            AggregateFunction<T, ACC, OUT> function,
            WindowSpec window,
            SaspartOptions options) {
        throw new UnsupportedOperationException();
    }
}

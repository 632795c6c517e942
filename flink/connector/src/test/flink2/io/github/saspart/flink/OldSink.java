package io.github.saspart.flink;

import org.apache.flink.streaming.api.functions.sink.legacy.RichSinkFunction;

/** Flink's first kind of sink, which is in another package of each version. */
abstract class OldSink<T> extends RichSinkFunction<T> {
    private static final long serialVersionUID = 1;
}

package io.github.saspart.flink;

import org.apache.flink.streaming.api.functions.source.legacy.SourceFunction;

/** Flink's first kind of source, which is in another package of each version. The newer kind needs five classes. */
interface OldSource<T> extends SourceFunction<T> {}

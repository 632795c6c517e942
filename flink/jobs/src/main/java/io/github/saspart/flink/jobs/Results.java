package io.github.saspart.flink.jobs;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.serialization.Encoder;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.connector.file.sink.FileSink;
import org.apache.flink.core.fs.Path;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.streaming.api.functions.sink.filesystem.rollingpolicies.OnCheckpointRollingPolicy;

/**
 * Where results go: into files, a line each, exactly once, or nowhere. They are counted in any case, as
 * {@code saspart.results} and {@code saspart.resultRecords} among Flink's metrics.
 *
 * <p>A line is the end of the window in ms since the epoch, the key and the task's text, with tabs between
 * them. Of the key, a backslash and the bytes that are no printable ASCII are written as {@code \xHH}.
 */
public final class Results {
    private Results() {}

    static void send(DataStream<Tuple3<byte[], Long, Tuple2<Long, String>>> results, JobConfig config) {
        DataStream<Tuple3<byte[], Long, Tuple2<Long, String>>> counted =
                results.map(new Count()).returns(results.getType()).name("results").uid("results").setParallelism(config.reducers);
        if (config.results.isEmpty()) {
            counted.sinkTo(new DiscardingSink<>()).name("nowhere").uid("nowhere").setParallelism(config.reducers);
            return;
        }
        counted.sinkTo(FileSink.forRowFormat(new Path(config.results), new Line())
                        .withRollingPolicy(OnCheckpointRollingPolicy.build())
                        .build())
                .name("files").uid("files").setParallelism(config.reducers);
    }

    /** The key as in a line of results. */
    public static String escaped(byte[] key) {
        StringBuilder out = new StringBuilder(key.length);
        for (byte b : key) {
            if (b >= ' ' && b < 127 && b != '\\') {
                out.append((char) b);
            } else {
                out.append(String.format("\\x%02x", b));
            }
        }
        return out.toString();
    }

    private static final class Count extends RichMapFunction<Tuple3<byte[], Long, Tuple2<Long, String>>, Tuple3<byte[], Long, Tuple2<Long, String>>> {
        private static final long serialVersionUID = 1;

        private transient Counter results;
        private transient Counter records;

        @Override
        public void open(OpenContext context) {
            MetricGroup group = getRuntimeContext().getMetricGroup().addGroup("saspart");
            results = group.counter("results");
            records = group.counter("resultRecords");
        }

        @Override
        public Tuple3<byte[], Long, Tuple2<Long, String>> map(Tuple3<byte[], Long, Tuple2<Long, String>> result) {
            results.inc();
            records.inc(result.f2.f0);
            return result;
        }
    }

    private static final class Line implements Encoder<Tuple3<byte[], Long, Tuple2<Long, String>>> {
        private static final long serialVersionUID = 1;

        @Override
        public void encode(Tuple3<byte[], Long, Tuple2<Long, String>> result, OutputStream out) throws IOException {
            String line = result.f1 + "\t" + escaped(result.f0) + "\t" + result.f2.f1 + "\n";
            out.write(line.getBytes(StandardCharsets.UTF_8));
        }
    }
}

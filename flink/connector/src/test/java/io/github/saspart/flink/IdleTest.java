package io.github.saspart.flink;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.util.Collector;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A source that falls idle and wakes while a worker has yet to do what came before. */
class IdleTest {
    private static final WindowSpec WINDOW = WindowSpec.tumbling(Duration.ofMillis(100));

    /** Two records, idleness, two records and the watermark that ends both windows. */
    @SuppressWarnings("deprecation") // no other source says when it is idle
    private static final class Pausing implements OldSource<Long> {
        private static final long serialVersionUID = 1;

        @Override
        public void run(SourceContext<Long> out) {
            synchronized (out.getCheckpointLock()) {
                out.collectWithTimestamp(1L, 10);
                out.collectWithTimestamp(2L, 20);
                out.markAsTemporarilyIdle();
                out.collectWithTimestamp(3L, 110);
                out.collectWithTimestamp(4L, 120);
                out.emitWatermark(new Watermark(199));
            }
        }

        @Override
        public void cancel() {}
    }

    /** Holds worker 0 up at its first record until the other one has handed on all it has. */
    private static final class Behind implements WorkFunction<Long, long[]> {
        private static final long serialVersionUID = 1;

        static final CountDownLatch MERGED = new CountDownLatch(2); // static as tests are in the same process

        private boolean held;

        @Override
        public long record(int worker, Long value) {
            if (worker == 0 && !held) {
                held = true;
                try {
                    MERGED.await(20, TimeUnit.SECONDS);
                    Thread.sleep(300); // for the watermark behind the partial results to get there, too
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            }
            return 1;
        }

        @Override
        public void merge(int reducer, long[] partial) {
            MERGED.countDown();
        }
    }

    /** Reducers wait for all workers, for one that has nothing to do for now may be about to learn that it has. */
    @Test
    @SuppressWarnings("deprecation")
    void aWorkerThatIsBehindIsWaitedFor() throws Exception {
        try (Cluster cluster = new Cluster()) {
            StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
            env.setParallelism(1);
            env.enableCheckpointing(200);
            SaspartOptions options = SaspartOptions.builder("idle", 2).partitioner("wchoices").work(new Behind()).build();
            AggregateFunction<Long, long[], String> function = new Fixtures.SumAndCount();
            Saspart.aggregate(env.addSource(new Pausing(), "pausing").returns(Long.class), n -> "k", function, WINDOW, options)
                    .addSink(new Committed("idle"));
            cluster.await(cluster.start(env, null));
        }
        Committed.verify("idle", Map.of("k@100", "3/2", "k@200", "7/2"));
    }

    /** Ends a window, falls idle until results have been joined with others, and wakes. */
    @SuppressWarnings("deprecation")
    private static final class Waiting implements OldSource<Long> {
        private static final long serialVersionUID = 1;

        @Override
        public void run(SourceContext<Long> out) throws InterruptedException {
            synchronized (out.getCheckpointLock()) {
                for (long n = 1; n < 50; n++) {
                    out.collectWithTimestamp(n, n);
                }
                out.emitWatermark(new Watermark(99));
                out.markAsTemporarilyIdle();
            }
            assertTrue(Joined.LATER.await(60, TimeUnit.SECONDS), "what joins the results waits for idle sources");
            synchronized (out.getCheckpointLock()) {
                out.collectWithTimestamp(50L, 110);
            }
        }

        @Override
        public void cancel() {}
    }

    /** Is far ahead and never idle, for as long as the other source runs. */
    @SuppressWarnings("deprecation")
    private static final class Ahead implements OldSource<Tuple3<String, Long, String>> {
        private static final long serialVersionUID = 1;

        @Override
        public void run(SourceContext<Tuple3<String, Long, String>> out) throws InterruptedException {
            synchronized (out.getCheckpointLock()) {
                out.emitWatermark(new Watermark(1_000));
            }
            Joined.LATER.await(60, TimeUnit.SECONDS);
        }

        @Override
        public void cancel() {}
    }

    /** Hands on what it gets, and notes when its time is that of the source which is ahead. */
    private static final class Joined extends AbstractStreamOperator<Tuple3<String, Long, String>>
            implements OneInputStreamOperator<Tuple3<String, Long, String>, Tuple3<String, Long, String>> {
        private static final long serialVersionUID = 1;

        static volatile CountDownLatch LATER; // static as tests are in the same process

        private boolean late;

        @Override
        public void processElement(StreamRecord<Tuple3<String, Long, String>> record) {
            assertTrue(!late || record.getTimestamp() > 100, "a result of before the idleness is late");
            output.collect(record);
        }

        @Override
        public void processWatermark(Watermark mark) throws Exception {
            super.processWatermark(mark);
            if (mark.getTimestamp() >= 1_000) {
                late = true;
                LATER.countDown();
            }
        }
    }

    /** What is joined with the results is not held up while all sources are idle, as behind Flink's windows. */
    @ParameterizedTest
    @ValueSource(strings = {"flink", "hash", "wchoices"}) // nothing is merged by hash, and the only key by the other
    @SuppressWarnings("deprecation")
    void resultsAreIdleWithTheSources(String partitioner) throws Exception {
        Joined.LATER = new CountDownLatch(1);
        try (Cluster cluster = new Cluster()) {
            StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
            env.setParallelism(1);
            env.enableCheckpointing(200);
            DataStream<Long> numbers = env.addSource(new Waiting(), "waiting").returns(Long.class);
            AggregateFunction<Long, long[], String> function = new Fixtures.SumAndCount();
            DataStream<Tuple3<String, Long, String>> results = partitioner.equals("flink")
                    ? numbers.keyBy(n -> "k").window(TumblingEventTimeWindows.of(Duration.ofMillis(100))).aggregate(
                            function, new Labelled()).setParallelism(2)
                    : Saspart.aggregate(
                            numbers, n -> "k", function, WINDOW,
                            SaspartOptions.builder("idle", 2).partitioner(partitioner).build());
            DataStream<Tuple3<String, Long, String>> ahead =
                    env.addSource(new Ahead(), "ahead").returns(Types.TUPLE(Types.STRING, Types.LONG, Types.STRING));
            results.union(ahead)
                    .transform("joined", ahead.getType(), new Joined())
                    .addSink(new Committed("joined " + partitioner));
            cluster.await(cluster.start(env, null));
        }
        Committed.verify("joined " + partitioner, Map.of("k@100", "1225/49", "k@200", "50/1"));
    }

    /** Results of Flink's own windows as this connector has them. */
    private static final class Labelled
            extends ProcessWindowFunction<String, Tuple3<String, Long, String>, String, TimeWindow> {
        private static final long serialVersionUID = 1;

        @Override
        public void process(String key, Context context, Iterable<String> results, Collector<Tuple3<String, Long, String>> out) {
            results.forEach(r -> out.collect(Tuple3.of(key, context.window().getEnd(), r)));
        }
    }
}

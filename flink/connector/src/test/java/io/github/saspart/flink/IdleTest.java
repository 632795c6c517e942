package io.github.saspart.flink;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.junit.jupiter.api.Test;

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
}

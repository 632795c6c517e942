package io.github.saspart.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.saspart.flink.Fixtures.Numbers;
import io.github.saspart.flink.Fixtures.Throttle;
import io.github.saspart.flink.routing.Routers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.stream.Stream;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.ExternalizedCheckpointRetention;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Results of whole jobs equal those of a single thread, whatever happens to the job. */
class ExactTest extends OnCluster {
    @TempDir Path directory;

    static Stream<String> routers() {
        return Routers.names().stream();
    }

    private static final WindowSpec SLIDING = WindowSpec.sliding(Duration.ofMillis(300), Duration.ofMillis(100));

    /** With a checkpoint at the given interval, in ms, and restarts. */
    private static StreamExecutionEnvironment environment(Path checkpoints, int everyMillis, String backend) {
        Configuration settings = new Configuration();
        settings.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, checkpoints.toUri().toString());
        settings.set(StateBackendOptions.STATE_BACKEND, backend);
        settings.set(CheckpointingOptions.INCREMENTAL_CHECKPOINTS, true);
        settings.set(RestartStrategyOptions.RESTART_STRATEGY, "fixed-delay");
        settings.set(RestartStrategyOptions.RESTART_STRATEGY_FIXED_DELAY_ATTEMPTS, 3);
        settings.set(RestartStrategyOptions.RESTART_STRATEGY_FIXED_DELAY_DELAY, Duration.ofMillis(10));
        settings.set(CheckpointingOptions.EXTERNALIZED_CHECKPOINT_RETENTION, ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION);
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment(settings);
        env.getConfig().setAutoWatermarkInterval(5);
        env.setMaxParallelism(64);
        env.setParallelism(2);
        if (everyMillis > 0) {
            env.enableCheckpointing(everyMillis);
        }
        return env;
    }

    private static <ACC> void build(
            StreamExecutionEnvironment env, Numbers numbers, int partitioners, int workers, Throttle throttle, String partitioner,
            AggregateFunction<Long, ACC, String> function, WindowSpec window, String sink) {
        SaspartOptions options = SaspartOptions.builder("test", workers)
                .partitioners(partitioners)
                .partitioner(partitioner)
                .build();
        Saspart.aggregate(numbers.stream(env, throttle), numbers.keys(), function, window, options)
                .addSink(new Committed(sink))
                .uid("sink");
    }

    /** Both kinds of accumulators, sliding and tumbling windows, several partitioner subtasks. */
    @ParameterizedTest
    @MethodSource("routers")
    void everyRouter(String partitioner) throws Exception {
        Numbers numbers = new Numbers(60_000, 500);
        StreamExecutionEnvironment env = environment(directory, 500, "hashmap");
        build(env, numbers, 0, 4, new Throttle(0, 0), partitioner, new Fixtures.SumAndCount(), SLIDING, "sum-" + partitioner);
        cluster.await(cluster.start(env, null));
        Committed.verify("sum-" + partitioner, numbers.expect(new Fixtures.SumAndCount(), SLIDING));
    }

    /** Windows as Flink assigns them; the expected results are those of its own assigner. */
    @ParameterizedTest
    @CsvSource({
        "300, 100, 30, dagreedy", // an offset
        "300, 100, -30, table",
        "250, 100, 0, dagreedy", // no multiple of the slide: panes of 50
        "250, 100, 70, dalton-original", // and an offset
        "70, 110, 25, wchoices", // records between windows
        "110, 110, 109, dagreedy", // tumbling
    })
    void everyWindow(int size, int slide, int offset, String partitioner) throws Exception {
        Numbers numbers = new Numbers(40_000, 300);
        String sink = "window-" + size + "-" + slide + "-" + offset;
        WindowSpec window = WindowSpec.sliding(Duration.ofMillis(size), Duration.ofMillis(slide), Duration.ofMillis(offset));
        StreamExecutionEnvironment env = environment(directory, 100, "hashmap");
        build(env, numbers, 0, 4, new Throttle(20, 12_000), partitioner, new Fixtures.SumAndCount(), window, sink);
        cluster.await(cluster.start(env, null));
        Committed.verify(sink, numbers.expect(new Fixtures.SumAndCount(), window));
    }

    /** A subtask fails between checkpoints; what was routed one way may be routed another way then. */
    @ParameterizedTest
    @CsvSource({
        "hash, false, hashmap", // nothing is merged but what the failure makes be
        "dagreedy, false, hashmap",
        "dalton-original, false, rocksdb", // several subtasks disagree
        "table, true, hashmap", // what is in flight is restored too
        "dagreedy, true, rocksdb",
    })
    void aFailure(String partitioner, boolean unaligned, String backend) throws Exception {
        Numbers numbers = new Numbers(40_000, 300);
        String sink = "failure-" + partitioner + unaligned;
        StreamExecutionEnvironment env = environment(directory, 60, backend);
        env.getCheckpointConfig().enableUnalignedCheckpoints(unaligned);
        env.getCheckpointConfig().setForceUnalignedCheckpoints(unaligned); // Flink does not vouch for a rescale
        build(env, numbers, 0, 4, new Throttle(20, 12_000), partitioner, new Fixtures.SumAndCount(), SLIDING, sink);
        cluster.await(cluster.start(env, null));
        Committed.verify(sink, numbers.expect(new Fixtures.SumAndCount(), SLIDING));
    }

    /** A sketch this time; partitioners and workers become more, and fewer. */
    @ParameterizedTest
    @CsvSource({
        "dagreedy, 4, 3, 2, 1, hashmap, rocksdb", // a savepoint does not depend on the backend
        "dagreedy, 4, 6, 1, 2, rocksdb, hashmap",
        "hash, 4, 3, 2, 2, hashmap, hashmap", // all keys have another worker afterwards
        "table, 4, 6, 2, 3, rocksdb, rocksdb",
    })
    void rescaledFromASavepoint(
            String partitioner, int workers, int then, int partitioners, int partitionersThen, String backend, String backendThen)
            throws Exception {
        Numbers numbers = new Numbers(40_000, 300);
        String sink = "rescale-" + partitioner + then;
        Throttle.reset();
        StreamExecutionEnvironment env = environment(directory, 100, backend);
        build(env, numbers, partitioners, workers, new Throttle(10, 0), partitioner, new Fixtures.Distinct(), SLIDING, sink);
        JobID job = cluster.start(env, null);
        while (Throttle.PASSED.get() < 15_000) {
            Thread.sleep(5);
        }
        String savepoint = cluster.stop(job, directory);
        long passed = Throttle.PASSED.get();
        assertTrue(passed < numbers.count, "the job has ended before it was stopped");

        StreamExecutionEnvironment again = environment(directory, 100, backendThen);
        build(again, numbers, partitionersThen, then, new Throttle(0, 0), partitioner, new Fixtures.Distinct(), SLIDING, sink);
        cluster.await(cluster.start(again, savepoint));
        Committed.verify(sink, numbers.expect(new Fixtures.Distinct(), SLIDING));
        assertEquals(numbers.count, Throttle.PASSED.get(), "records that passed in both runs");
    }

    /** Before, workers had their panes in a list. The savepoint has all results until then, too, as no checkpoint was before. */
    @ParameterizedTest
    @CsvSource({"4, hashmap", "3, rocksdb"})
    void aSavepointOfTheFirstConnectorIsRestored(int workers, String backend) throws Exception {
        Numbers numbers = new Numbers(8_000, 100);
        String sink = "first-connector-" + workers;
        StreamExecutionEnvironment env = environment(directory, 100, backend);
        build(env, numbers, 2, workers, new Throttle(0, 0), "dagreedy", new Fixtures.Distinct(), SLIDING, sink);
        cluster.await(cluster.start(env, Path.of("src/test/resources/savepoint-0.1.0").toUri().toString()));
        Committed.verify(sink, numbers.expect(new Fixtures.Distinct(), SLIDING));
    }
}

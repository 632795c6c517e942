package io.github.saspart.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.saspart.flink.routing.Env;
import io.github.saspart.flink.routing.Hashing;
import io.github.saspart.flink.routing.Options;
import io.github.saspart.flink.routing.Router;
import io.github.saspart.flink.routing.Routers;
import java.io.DataInputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.ExternalizedCheckpointRetention;
import org.apache.flink.runtime.checkpoint.Checkpoints;
import org.apache.flink.runtime.checkpoint.metadata.CheckpointMetadata;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.runtime.util.EnvironmentInformation;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Records that travel without an envelope are where their router sent them, each once. */
@SuppressWarnings("deprecation") // sources with a thread of their own are, and still in use
class BareTest extends OnCluster {
    @TempDir Path directory;

    /** Tells at which subtask each number is. */
    private static final class Where extends RichMapFunction<Long, Long> {
        private static final long serialVersionUID = 1;

        static final Map<String, Map<Long, Integer>> SEEN = new ConcurrentHashMap<>();

        private final String stage;

        Where(String stage) {
            this.stage = stage;
            SEEN.put(stage, new ConcurrentHashMap<>());
        }

        @Override
        public Long map(Long number) {
            SEEN.get(stage).put(number, getRuntimeContext().getTaskInfo().getIndexOfThisSubtask());
            return number;
        }
    }

    /** Counts in a thread of its own, as sources of old do. */
    private static final class Counting implements OldSource<Long> {
        private static final long serialVersionUID = 1;

        private final long end;
        private volatile boolean cancelled;

        Counting(long end) {
            this.end = end;
        }

        @Override
        public void run(SourceContext<Long> to) {
            for (long n = 0; n < end && !cancelled; n++) {
                synchronized (to.getCheckpointLock()) {
                    to.collect(n);
                }
            }
        }

        @Override
        public void cancel() {
            cancelled = true;
        }
    }

    private static long firstKey(long number) {
        return Fixtures.mix(number) >>> 60; // of 16 keys
    }

    private static long secondKey(long number) {
        return Fixtures.mix(~number) >>> 59;
    }

    private static Router router(int workers, int subtask, int subtasks) {
        return Routers.create(
                Options.of(Map.of("name", "wchoices")), new Env(workers, subtask, subtasks, 500_000_000, 1, 2, 1));
    }

    private static int route(Router router, long key) {
        byte[] bytes = ByteBuffer.allocate(8).putLong(key).array();
        return Router.worker(router.route(Hashing.hash(bytes), bytes, 0, bytes.length));
    }

    /**
     * Two partitions in a row, the second one's partitioners chained to the first one's workers, against
     * routers that are fed by hand. One partitioner subtask first, so that all others have their records in
     * the order of their numbers.
     */
    @ParameterizedTest
    @CsvSource({
        "false, false, true, false",
        "true, false, true, false", // the thread that opens operators is not that of the records
        "false, true, true, false", // the record at hand is the next one's too
        "false, false, false, false", // each operator has a task of its own
        "true, true, true, true", // while checkpoints are taken
    })
    void everyRecordIsWhereItsRouterSentIt(boolean old, boolean reuse, boolean chained, boolean checkpoints) throws Exception {
        int records = 20_000;
        int first = 3;
        int second = 4;
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        env.setParallelism(1);
        if (reuse) {
            env.getConfig().enableObjectReuse();
        }
        if (!chained) {
            env.disableOperatorChaining();
        }
        if (checkpoints) {
            env.enableCheckpointing(10);
        }
        DataStream<Long> numbers = old ? env.addSource(new Counting(records), Types.LONG) : env.fromSequence(0, records - 1);
        SaspartOptions.Builder options = SaspartOptions.builder("bare", first).partitioner("wchoices");
        DataStream<Long> once = Saspart.partition(numbers, BareTest::firstKey, options.uid("first").build())
                .map(new Where("first")).setParallelism(first);
        Saspart.partition(
                        once, BareTest::secondKey,
                        SaspartOptions.builder("bare", second).partitioner("wchoices").uid("second").build())
                .map(new Where("second")).setParallelism(second)
                .sinkTo(new DiscardingSink<>()).setParallelism(second);
        cluster.await(cluster.start(env, null));

        Router before = router(first, 0, 1);
        List<Router> behind = new ArrayList<>();
        for (int w = 0; w < first; w++) {
            behind.add(router(second, w, first));
        }
        int away = 0;
        for (long n = 0; n < records; n++) {
            int worker = route(before, firstKey(n));
            assertEquals(worker, Where.SEEN.get("first").get(n), "first worker of " + n);
            assertEquals(route(behind.get(worker), secondKey(n)), Where.SEEN.get("second").get(n), "second worker of " + n);
            byte[] key = ByteBuffer.allocate(8).putLong(firstKey(n)).array();
            away += Long.remainderUnsigned(Hashing.hash(key), first) == worker ? 0 : 1;
        }
        assertTrue(away > records / 10, "only " + away + " records are away from home; the test shows nothing");
    }

    /** Keeps what it has seen as state, and shows it when there is no more. */
    private static final class Once extends OldSink<Long> implements CheckpointedFunction {
        private static final long serialVersionUID = 1;

        static final Map<Long, Integer> TIMES = new ConcurrentHashMap<>();

        private final boolean slow;
        private transient List<Long> seen;
        private transient ListState<Long> saved;

        Once(boolean slow) {
            this.slow = slow;
        }

        @Override
        public void initializeState(FunctionInitializationContext context) throws Exception {
            saved = context.getOperatorStateStore().getListState(new ListStateDescriptor<>("seen", Types.LONG));
            seen = new ArrayList<>();
            saved.get().forEach(seen::add);
        }

        @Override
        public void invoke(Long number, Context context) throws Exception {
            seen.add(number);
            if (slow) {
                Thread.sleep(1);
            }
        }

        @Override
        public void snapshotState(FunctionSnapshotContext context) throws Exception {
            saved.update(seen);
        }

        @Override
        public void finish() {
            seen.forEach(number -> TIMES.merge(number, 1, Integer::sum));
        }
    }

    private static final long RECORDS = 200_000;

    private StreamExecutionEnvironment unaligned(int partitioners, int workers, boolean slow) {
        Configuration settings = new Configuration();
        settings.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, directory.toUri().toString());
        settings.set(CheckpointingOptions.EXTERNALIZED_CHECKPOINT_RETENTION, ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION);
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment(settings);
        env.setMaxParallelism(64);
        env.setParallelism(2);
        env.enableCheckpointing(100);
        env.getCheckpointConfig().enableUnalignedCheckpoints();
        env.getCheckpointConfig().setAlignedCheckpointTimeout(Duration.ZERO);
        env.getCheckpointConfig().setForceUnalignedCheckpoints(true); // Flink vouches for no custom partitioner
        SaspartOptions options = SaspartOptions.builder("bare", workers).partitioners(partitioners).partitioner("wchoices").build();
        Saspart.partition(env.fromSequence(0, RECORDS - 1).uid("numbers"), BareTest::firstKey, options)
                .addSink(new Once(slow)).uid("once").setParallelism(workers);
        return env;
    }

    /** What was in flight is asked for by workers, of which there are other ones now. */
    @ParameterizedTest
    @CsvSource({
        "2, 4, 2, 3",
        "2, 3, 2, 5",
        "2, 4, 1, 2",
        "1, 2, 3, 3",
    })
    void recordsInFlightAreTakenOnce(int partitioners, int workers, int partitionersThen, int workersThen) throws Exception {
        Once.TIMES.clear();
        JobID job = cluster.start(unaligned(partitioners, workers, true), null);
        FakeServer.await("a checkpoint is complete", () -> checkpoint() != null);
        cluster.cancel(job);
        Path checkpoint = checkpoint();
        long inFlight;
        try (DataInputStream in = new DataInputStream(Files.newInputStream(checkpoint.resolve("_metadata")))) {
            CheckpointMetadata metadata = Checkpoints.loadCheckpointMetadata(in, getClass().getClassLoader(), checkpoint.toString());
            inFlight = metadata.getOperatorStates().stream()
                    .flatMap(operator -> operator.getStates().stream())
                    .mapToLong(subtask -> subtask.getInputChannelState().getStateSize() + subtask.getResultSubpartitionState().getStateSize())
                    .sum();
        }
        if (EnvironmentInformation.getVersion().startsWith("1.")) { // later ones align checkpoints at the edge to the workers
            assertTrue(inFlight > 1000, "only " + inFlight + " bytes were in flight; the test shows nothing");
        }

        cluster.await(cluster.start(unaligned(partitionersThen, workersThen, false), checkpoint.toUri().toString()));
        assertEquals(RECORDS, Once.TIMES.size(), "numbers that arrived");
        assertEquals(List.of(), Once.TIMES.entrySet().stream().filter(e -> e.getValue() != 1).limit(5).collect(Collectors.toList()),
                "numbers that arrived twice");
    }

    /** The latest checkpoint that is complete, or null. */
    private Path checkpoint() {
        try (Stream<Path> files = Files.walk(directory)) {
            return files.filter(file -> file.endsWith("_metadata")).map(Path::getParent)
                    .max((a, b) -> Integer.compare(number(a), number(b))).orElse(null);
        } catch (java.io.IOException | java.io.UncheckedIOException e) {
            return null; // one is just being removed
        }
    }

    private static int number(Path checkpoint) {
        return Integer.parseInt(checkpoint.getFileName().toString().substring("chk-".length()));
    }
}

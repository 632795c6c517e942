package io.github.saspart.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.saspart.flink.Fixtures.Numbers;
import io.github.saspart.flink.Fixtures.Throttle;
import io.github.saspart.flink.routing.Hashing;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Other shapes of jobs: without an aggregation, with other keys, with a subtask that has nothing to do. */
class ShapesTest extends OnCluster {
    private static final int WORKERS = 3;
    private static final WindowSpec WINDOW = WindowSpec.sliding(Duration.ofMillis(200), Duration.ofMillis(100));

    private static StreamExecutionEnvironment environment() {
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        env.getConfig().setAutoWatermarkInterval(5);
        env.setParallelism(2);
        env.enableCheckpointing(200);
        return env;
    }

    /** Counts records by where they are. */
    private static final class Here extends RichMapFunction<Long, Long> {
        private static final long serialVersionUID = 1;

        static final AtomicLongArray COUNTS = new AtomicLongArray(WORKERS);
        static final AtomicLong ELSEWHERE = new AtomicLong();

        @Override
        public Long map(Long number) {
            int here = getRuntimeContext().getTaskInfo().getIndexOfThisSubtask();
            COUNTS.incrementAndGet(here);
            byte[] key = ByteBuffer.allocate(8).putLong(number % 100).array();
            if (Long.remainderUnsigned(Hashing.hash(key), WORKERS) != here) {
                ELSEWHERE.incrementAndGet();
            }
            return number;
        }
    }

    /** The stream has no timestamps. */
    @ParameterizedTest
    @ValueSource(strings = {"hash", "wchoices"})
    void recordsSitAtTheirWorker(String partitioner) throws Exception {
        for (int i = 0; i < WORKERS; i++) {
            Here.COUNTS.set(i, 0);
        }
        Here.ELSEWHERE.set(0);
        StreamExecutionEnvironment env = environment();
        SaspartOptions options = SaspartOptions.builder("records", WORKERS).partitioner(partitioner).build();
        Saspart.partition(env.fromSequence(0, 29_999), number -> number % 100, options)
                .map(new Here())
                .setParallelism(WORKERS)
                .sinkTo(new DiscardingSink<>());
        cluster.await(cluster.start(env, null));
        long sum = 0;
        for (int i = 0; i < WORKERS; i++) {
            sum += Here.COUNTS.get(i);
        }
        assertEquals(30_000, sum, "records that arrived");
        if (partitioner.equals("hash")) {
            assertEquals(0, Here.ELSEWHERE.get(), "records that are not at their key's worker");
        } else {
            assertTrue(Here.ELSEWHERE.get() > 5000, "two choices are not one");
        }
    }

    /** Such keys have no equality of their own, neither at workers nor at reducers. */
    @ParameterizedTest
    @ValueSource(strings = {"hash", "pkg"})
    void bytesAsKeys(String partitioner) throws Exception {
        Numbers numbers = new Numbers(20_000, 100);
        StreamExecutionEnvironment env = environment();
        SaspartOptions options = SaspartOptions.builder("bytes", WORKERS).partitioner(partitioner).build();
        KeySelector<Long, byte[]> key = number -> numbers.key(number).getBytes(StandardCharsets.UTF_8);
        Saspart.aggregate(numbers.stream(env, new Throttle(0, 0)), key, new Fixtures.SumAndCount(), WINDOW, options)
                .map(r -> Tuple3.of(new String(r.f0, StandardCharsets.UTF_8), r.f1, r.f2))
                .returns(Types.TUPLE(Types.STRING, Types.LONG, Types.STRING))
                .addSink(new Committed("bytes-" + partitioner));
        cluster.await(cluster.start(env, null));
        Committed.verify("bytes-" + partitioner, numbers.expect(new Fixtures.SumAndCount(), WINDOW));
    }

    /** A key as Flink's users write them. */
    public static final class Named {
        public String name;
        public short part;

        public Named() {}

        Named(String name) {
            this.name = name;
            part = (short) name.length();
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Named && name.equals(((Named) other).name) && part == ((Named) other).part;
        }

        @Override
        public int hashCode() {
            return name.hashCode();
        }

        @Override
        public String toString() {
            return name;
        }
    }

    /** Keys of a type that Flink knows are written by its serializer. */
    @ParameterizedTest
    @ValueSource(strings = {"hash", "pkg"})
    void objectsAsKeys(String partitioner) throws Exception {
        Numbers numbers = new Numbers(20_000, 100);
        StreamExecutionEnvironment env = environment();
        SaspartOptions options = SaspartOptions.builder("objects", WORKERS).partitioner(partitioner).build();
        Saspart.aggregate(
                        numbers.stream(env, new Throttle(0, 0)), number -> new Named(numbers.key(number)),
                        new Fixtures.SumAndCount(), WINDOW, options)
                .map(r -> Tuple3.of(r.f0.name, r.f1, r.f2))
                .returns(Types.TUPLE(Types.STRING, Types.LONG, Types.STRING))
                .addSink(new Committed("objects-" + partitioner));
        cluster.await(cluster.start(env, null));
        Committed.verify("objects-" + partitioner, numbers.expect(new Fixtures.SumAndCount(), WINDOW));
    }

    @Test
    void noKeyIsRefusedAsKeyByDoes() throws Exception {
        Configuration settings = new Configuration();
        settings.set(RestartStrategyOptions.RESTART_STRATEGY, "none");
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment(settings);
        Saspart.partition(
                        env.fromSequence(0, 9), number -> (String) null, Types.STRING,
                        SaspartOptions.builder("null", WORKERS).build())
                .sinkTo(new DiscardingSink<>());
        JobID job = cluster.start(env, null);
        Exception e = assertThrows(IllegalStateException.class, () -> cluster.await(job));
        StringWriter trace = new StringWriter();
        e.printStackTrace(new PrintWriter(trace));
        assertTrue(trace.toString().contains("Assigned key must not be null!"), trace.toString());
    }

    /** Counts what reducers merge. */
    private static final class Merges implements WorkFunction<Long, long[]> {
        private static final long serialVersionUID = 1;

        static final AtomicLong MERGED = new AtomicLong();
        static final AtomicLong EMITTED = new AtomicLong();

        @Override
        public long record(int worker, Long value) {
            return 1;
        }

        @Override
        public void emit(int worker, long[] partial) {
            EMITTED.incrementAndGet();
        }

        @Override
        public void merge(int reducer, long[] partial) {
            MERGED.incrementAndGet();
        }
    }

    private static void merges(String partitioner, boolean idle, String sink) throws Exception {
        Numbers numbers = new Numbers(40_000, 300);
        Merges.MERGED.set(0);
        Merges.EMITTED.set(0);
        StreamExecutionEnvironment env = environment();
        SaspartOptions options = SaspartOptions.builder("merges", WORKERS).partitioner(partitioner).work(new Merges()).build();
        DataStream<Long> stream = numbers.stream(env, new Throttle(20, 0));
        if (idle) { // the other source's records are left out, and come before
            stream = stream.filter(number -> number < numbers.count / 2)
                    .assignTimestampsAndWatermarks(WatermarkStrategy
                            .<Long>forBoundedOutOfOrderness(Duration.ofMillis(Fixtures.JITTER_MILLIS))
                            .withTimestampAssigner((number, before) -> numbers.time(number))
                            .withIdleness(Duration.ofMillis(30)));
        }
        Saspart.aggregate(stream, numbers.keys(), new Fixtures.SumAndCount(), WINDOW, options).addSink(new Committed(sink));
        cluster.await(cluster.start(env, null));
        Committed.verify(sink, idle
                ? numbers.expect(new Fixtures.SumAndCount(), WINDOW, numbers.count / 2)
                : numbers.expect(new Fixtures.SumAndCount(), WINDOW));
    }

    /** Keys that are not split never see a reducer, also where a partitioner subtask has no records. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void hashIsNeverMerged(boolean idle) throws Exception {
        merges("hash", idle, "merges-hash-" + idle);
        assertEquals(0, Merges.MERGED.get(), "partial results at reducers");
    }

    /** Cold keys are at home by their hash modulo P, or by their slot. */
    @ParameterizedTest
    @ValueSource(strings = {"dagreedy", "dalton-offline"})
    void fewKeysAreMergedWhereFewAreSplit(String partitioner) throws Exception {
        merges(partitioner, false, "merges-" + partitioner);
        assertTrue(Merges.MERGED.get() > 0, "the heaviest key is split");
        assertTrue(
                Merges.MERGED.get() < Merges.EMITTED.get() / 4,
                Merges.MERGED.get() + " of " + Merges.EMITTED.get() + " partial results were merged");
    }
}

package io.github.saspart.flink;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.saspart.flink.Fixtures.Numbers;
import io.github.saspart.flink.Fixtures.Throttle;
import io.github.saspart.flink.routing.Hashing;
import io.github.saspart.v1.AttachResponse;
import io.github.saspart.v1.Decision;
import io.github.saspart.v1.KeyRoute;
import io.github.saspart.v1.Route;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Partitioners that are behind take routes up inside a slide, and results stay exact. */
class CatchUpTest extends OnCluster {
    private static final int WORKERS = 4;
    private static final int PARTITIONERS = 2;
    private static final int ROUTES = 6;
    private static final long SLIDE_MILLIS = 20_000;

    /** Tells which worker had the last records of the key that every route has elsewhere, by the source they are of. */
    private static final class Where implements WorkFunction<Long, long[]> {
        private static final long serialVersionUID = 1;

        static final AtomicIntegerArray WORKER = new AtomicIntegerArray(PARTITIONERS);

        private final Numbers numbers;

        Where(Numbers numbers) {
            this.numbers = numbers;
        }

        @Override
        public long record(int worker, Long number) {
            if (numbers.key(number).equals("k1")) {
                WORKER.set((int) (number / (numbers.count / PARTITIONERS)), worker);
            }
            return 1;
        }
    }

    /** A key at the worker of the version's number, one split, and all others at other workers than by the version before. */
    private static AttachResponse route(int version) {
        Route.Builder route = Route.newBuilder().setVersion(version).setWorkers(WORKERS);
        for (int i = 0; i < 4096; i++) {
            route.addSlots((i + version) % WORKERS);
        }
        route.addKeys(KeyRoute.newBuilder()
                .setHash(hash("k0")).addAllWorkers(List.of(0, 1, 2, 3)).addAllShares(List.of(.25, .25, .25, .25)));
        route.addKeys(KeyRoute.newBuilder().setHash(hash("k1")).addWorkers(version % WORKERS));
        return AttachResponse.newBuilder()
                .setDecision(Decision.newBuilder().setWindow(Long.MAX_VALUE).setRoute(route))
                .build();
    }

    private static long hash(String key) {
        return Hashing.hash(key.getBytes(StandardCharsets.UTF_8));
    }

    @ParameterizedTest
    @CsvSource({"table, 2", "waterfill, 1", "saspartitioner, 3"})
    void routesAreTakenUpInsideASlide(String partitioner, int slides) throws Exception {
        Numbers numbers = new Numbers(200_000, 300);
        Throttle.reset();
        WindowSpec window = WindowSpec.sliding(Duration.ofMillis(slides * SLIDE_MILLIS), Duration.ofMillis(SLIDE_MILLIS));
        String sink = "catch-up-" + partitioner;
        try (FakeServer server = new FakeServer(0)) {
            StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
            env.setParallelism(PARTITIONERS);
            env.enableCheckpointing(500);
            SaspartOptions options = SaspartOptions.builder("behind", WORKERS)
                    .partitioner(partitioner)
                    .server("127.0.0.1:" + server.port())
                    .work(new Where(numbers))
                    .build();
            Saspart.aggregate(numbers.stream(env, new Throttle(2, 0)), numbers.keys(), new Fixtures.SumAndCount(), window, options)
                    .addSink(new Committed(sink));
            JobID job = cluster.start(env, null);
            FakeServer.await("there are records", () -> Throttle.PASSED.get() > 1000);
            for (int version = 1; version <= ROUTES; version++) {
                server.sayFromNowOn(route(version));
                int wanted = version % WORKERS;
                FakeServer.await("both sources' records go by route " + version, () -> {
                    for (int i = 0; i < PARTITIONERS; i++) {
                        if (Where.WORKER.get(i) != wanted) {
                            return false;
                        }
                    }
                    return true;
                });
            }
            // Records of one slide, but for the last few: so no route had the slide's end to be taken up at.
            long most = PARTITIONERS * Fixtures.PER_MILLI * (SLIDE_MILLIS - 1_000 - Fixtures.JITTER_MILLIS);
            assertTrue(Throttle.PASSED.get() < most, "a slide ended before all routes were followed; the test shows nothing");
            Throttle.off();
            cluster.await(job);
        }
        Committed.verify(sink, numbers.expect(new Fixtures.SumAndCount(), window));
    }

    /** Now and then a record is a century early; routes are taken up all the same. */
    @Test
    void recordsOfTheFarFutureHoldNothingUp() throws Exception {
        Numbers numbers = new Numbers(200_000, 300);
        Throttle.reset();
        try (FakeServer server = new FakeServer(0)) {
            StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
            env.setParallelism(PARTITIONERS);
            SaspartOptions options = SaspartOptions.builder("early", WORKERS)
                    .server("127.0.0.1:" + server.port())
                    .slide(Duration.ofMillis(100))
                    .build();
            long century = Duration.ofDays(36_500).toMillis();
            DataStream<Long> stream = numbers.stream(env, new Throttle(2, 0))
                    .assignTimestampsAndWatermarks(WatermarkStrategy.<Long>noWatermarks()
                            .withTimestampAssigner((n, before) -> System.currentTimeMillis() + (n % 500 == 0 ? century : 0)));
            Saspart.partition(stream, numbers.keys(), options).sinkTo(new DiscardingSink<>());
            JobID job = cluster.start(env, null);
            FakeServer.await("there are such records", () -> Throttle.PASSED.get() > 5000);
            for (int version = 1; version <= ROUTES; version++) {
                int wanted = version;
                server.sayFromNowOn(route(version));
                server.awaitPartitioners(PARTITIONERS, "route " + version + " is followed", p -> p.getRouteVersion() == wanted);
            }
            cluster.cancel(job);
        }
    }
}

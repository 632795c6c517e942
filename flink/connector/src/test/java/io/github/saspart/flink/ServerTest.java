package io.github.saspart.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import io.github.saspart.flink.Fixtures.Numbers;
import io.github.saspart.flink.Fixtures.Throttle;
import io.github.saspart.flink.routing.Hashing;
import io.github.saspart.v1.AttachResponse;
import io.github.saspart.v1.Control;
import io.github.saspart.v1.Decision;
import io.github.saspart.v1.Hello;
import io.github.saspart.v1.KeyRoute;
import io.github.saspart.v1.Model;
import io.github.saspart.v1.Notice;
import io.github.saspart.v1.PartitionerReport;
import io.github.saspart.v1.Report;
import io.github.saspart.v1.Role;
import io.github.saspart.v1.Route;
import io.github.saspart.v1.RouteChange;
import io.github.saspart.v1.WorkerReport;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;
import org.apache.flink.api.common.JobID;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.junit.jupiter.api.Test;

/** A job that is attached to a policy server, which is good and bad and away. */
class ServerTest extends OnCluster {
    private static final int WORKERS = 4;
    private static final int PARTITIONERS = 2;
    private static final int REDUCERS = 2;
    private static final WindowSpec WINDOW = WindowSpec.sliding(Duration.ofMillis(200), Duration.ofMillis(100));

    /** Remembers what the server's owner wanted. */
    private static final class Heard implements ControlListener {
        private static final long serialVersionUID = 1;

        static final List<String> ALL = new CopyOnWriteArrayList<>();

        @Override
        public void rate(int subtask, double recordsPerSecond) {
            ALL.add(subtask + ": " + recordsPerSecond);
        }

        @Override
        public void end(int subtask) {
            ALL.add(subtask + ": end");
        }
    }

    private static StreamExecutionEnvironment job(
            Numbers numbers, int port, Throttle throttle, String partitioner, String sink, int staleAfterSeconds) {
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        env.getConfig().setAutoWatermarkInterval(20);
        env.setParallelism(2);
        env.enableCheckpointing(300);
        SaspartOptions options = SaspartOptions.builder("attached", WORKERS)
                .partitioner(partitioner)
                .reducers(REDUCERS)
                .server("127.0.0.1:" + port)
                .staleAfter(Duration.ofSeconds(staleAfterSeconds))
                .control(new Heard())
                .offered(subtask -> 1234)
                .latency(true)
                .build();
        Saspart.aggregate(numbers.stream(env, throttle), numbers.keys(), new Fixtures.SumAndCount(), WINDOW, options)
                .addSink(new Committed(sink));
        return env;
    }

    /** One key over all workers, another one at worker 3, and every slot at the worker before its first. */
    private static AttachResponse route(long version, int workers) {
        Route.Builder route = Route.newBuilder().setVersion(version).setWorkers(workers);
        for (int i = 0; i < 4096; i++) {
            route.addSlots((i + WORKERS - 1) % WORKERS);
        }
        route.addKeys(KeyRoute.newBuilder()
                .setHash(hash("k0")).addAllWorkers(List.of(0, 1, 2, 3)).addAllShares(List.of(.25, .25, .25, .25)));
        route.addKeys(KeyRoute.newBuilder().setHash(hash("k1")).addWorkers(3));
        return decision(Decision.newBuilder().setRoute(route));
    }

    private static AttachResponse decision(Decision.Builder decision) {
        return AttachResponse.newBuilder().setDecision(decision.setWindow(Long.MAX_VALUE)).build();
    }

    private static AttachResponse control(Control.Builder control) {
        return AttachResponse.newBuilder().setControl(control).build();
    }

    private static long hash(String key) {
        return Hashing.hash(key.getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void routesAreFollowedAndTheServerIsNotNeeded() throws Exception {
        Numbers numbers = new Numbers(100_000, 300);
        Throttle.reset();
        Heard.ALL.clear();
        FakeServer server = new FakeServer(0);
        int port = server.port();
        JobID job = cluster.start(job(numbers, port, new Throttle(2, 0), "table", "attached", 1), null);
        try {
            FakeServer.await("all subtasks attach", () -> server.hellos.size() >= WORKERS + PARTITIONERS + REDUCERS);
            checkHellos(server);
            server.awaitPartitioners(PARTITIONERS, "partitioners report", p -> p.getSent() > 0 && p.getSlotsCount() == 4096);

            server.say(route(9, WORKERS + 1)); // for another job
            server.say(decision(Decision.newBuilder()
                    .setRoute(Route.newBuilder().setVersion(9).setWorkers(WORKERS).addSlots(0).addSlots(99))));
            server.say(decision(Decision.newBuilder().addBusy(0.5))); // of one worker
            server.say(route(5, WORKERS));
            server.awaitPartitioners(PARTITIONERS, "the route is followed", p -> p.getRouteVersion() == 5);
            assertEquals(List.of(5L, 5L), Shown.of(job, "saspart-partitioner", "routeVersion"));
            assertEquals(List.of(1L, 1L), Shown.of(job, "saspart-partitioner", "splitKeys"));
            assertEquals(List.of("server", "server"), Shown.of(job, "saspart-partitioner", "decidedBy"));
            server.say(AttachResponse.newBuilder()
                    .setNotice(Notice.newBuilder().setKind(Notice.Kind.KIND_MODEL).setModel(Model.newBuilder().setAnalytic(true)))
                    .build());
            FakeServer.await(
                    "routes are analytic",
                    () -> Shown.of(job, "saspart-partitioner", "decidedBy").equals(List.of("analytic", "analytic")));
            server.say(route(4, WORKERS)); // too late
            server.say(control(Control.newBuilder().setRate(77).setPartitioner("{\"name\":\"dagreedy\"}")));
            server.awaitPartitioners(PARTITIONERS, "the partitioner is switched", p -> p.getPartitioner().equals("dagreedy"));
            assertEquals(List.of("dagreedy", "dagreedy"), Shown.of(job, "saspart-partitioner", "decidedBy"));
            assertEquals(List.of(0L, 0L), Shown.of(job, "saspart-partitioner", "splitKeys"));
            server.say(control(Control.newBuilder().setEnd(true).setPartitioner("{\"name\":\"dagredy\"}"))); // is none
            server.say(control(Control.newBuilder().setPartitioner("{\"name\":\"table\"}")));
            server.awaitPartitioners(
                    PARTITIONERS, "it is switched back", p -> p.getPartitioner().equals("table") && p.getRouteVersion() == 5);
            FakeServer.await("controls are passed on", () -> Heard.ALL.containsAll(List.of("0: 77.0", "1: 77.0", "0: end", "1: end")));
            checkReports(server);
        } finally {
            server.close();
        }
        FakeServer.await(
                "the job continues without the server",
                () -> Shown.of(job, "saspart-partitioner", "decidedBy").equals(List.of("wchoices", "wchoices")));
        try (FakeServer again = new FakeServer(port)) {
            FakeServer.await("partitioners attach again", () -> partitioners(again).size() >= PARTITIONERS);
            for (Hello h : partitioners(again)) {
                assertEquals(5, h.getRoute().getVersion(), "the route that the server hears of");
                assertEquals(2, h.getRoute().getKeysCount());
            }
            again.say(route(6, WORKERS));
            again.awaitPartitioners(PARTITIONERS, "the server's route is followed again", p -> p.getRouteVersion() == 6);
            Throttle.off();
            cluster.await(job);
        }
        Map<String, String> expected = numbers.expect(new Fixtures.SumAndCount(), WINDOW);
        Committed.verify("attached", expected);
        long merged = Shown.sum(job, "saspart-reducer", "mergedResults");
        assertEquals(expected.size(), Shown.sum(job, "saspart-worker", "bypassedResults") + merged, "results of workers and of reducers");
        assertTrue(Shown.sum(job, "saspart-worker", "partialResults") > merged, "reducers merge");
        assertEquals(numbers.count, Throttle.PASSED.get(), "records that passed: the job must not have been restarted");
    }

    private static List<Hello> partitioners(FakeServer server) {
        return server.hellos.stream()
                .filter(h -> h.getSubtasks(0).getRole() == Role.ROLE_PARTITIONER)
                .collect(Collectors.toList());
    }

    private static void checkHellos(FakeServer server) {
        Set<String> subtasks = server.hellos.stream()
                .map(h -> h.getSubtasks(0).getRole() + " " + h.getSubtasks(0).getFirst())
                .collect(Collectors.toSet());
        assertEquals(WORKERS + PARTITIONERS + REDUCERS, subtasks.size(), "different subtasks: " + subtasks);
        assertEquals(1, server.hellos.stream().map(Hello::getInstance).distinct().count(), "instances");
        assertEquals(1, server.hellos.stream().map(Hello::getShape).distinct().count(), "shapes");
        assertEquals(REDUCERS, server.hellos.get(0).getShape().getReducers());
    }

    /** What is reported can have been so. */
    private static void checkReports(FakeServer server) throws Exception {
        long now = System.currentTimeMillis() / 100;
        long sent = 0;
        long records = 0;
        for (Report r : server.reports) {
            assertTrue(Math.abs(now - r.getSlide()) < 3000, "slide " + r.getSlide() + "; by the clock it is " + now);
            for (PartitionerReport p : r.getPartitionersList()) {
                sent += p.getSent();
                assertEquals(1234, p.getOffered());
                assertTrue(p.getBlocked() >= 0 && p.getBlocked() <= 1);
                long named = p.getHotList().stream().mapToLong(k -> k.getCount() - k.getError()).sum();
                assertTrue(p.getSlotsList().stream().mapToLong(n -> n).sum() >= named, "slots count hot keys too");
            }
            for (WorkerReport w : r.getWorkersList()) {
                records += w.getRecords();
                assertEquals(w.getRecords(), w.getUnits() == 0 ? w.getRecords() : w.getUnits());
                assertTrue(w.getBusy() >= 0 && w.getBusy() <= 1 && w.getCpu() >= 0 && w.getCpu() <= 1 && w.getQueue() <= 1);
            }
        }
        assertTrue(sent > 0 && records > 0 && Math.abs(sent - records) < 0.5 * sent, sent + " sent, " + records + " finished");
        assertTrue(
                server.reports.stream().flatMap(r -> r.getPartitionersList().stream()).flatMap(p -> p.getHotList().stream())
                        .anyMatch(k -> k.getName().toStringUtf8().equals("k0") && k.getHash() == hash("k0")),
                "the heaviest key is named");
        FakeServer.await("a reducer merges", () -> server.reports.stream().flatMap(r -> r.getReducersList().stream())
                .anyMatch(d -> d.getPairs() > d.getKeys() && d.getKeys() > 0));
        // Not while all windows are of two routes or partitioners, which on a quick machine they all were.
        FakeServer.await("workers finish keys alone", () -> anyWorker(server, w -> w.getBypassed() > 0 && w.getStateKeys() > 0));
        FakeServer.await("some records are timed", () -> anyWorker(server, w -> w.getTimes().getKeysCount() > 0
                && w.getTimes().getRecords() == w.getTimes().getSlotRecordsList().stream().mapToLong(n -> n).sum()));
        FakeServer.await("latencies are reported", () -> anyWorker(server, w -> w.getLatency().getCountsCount() > 0));
        FakeServer.await(
                "the split key's shares are reported",
                () -> anyWorker(server, w -> w.getRealisedList().stream().anyMatch(k -> k.getHash() == hash("k0"))));
    }

    private static boolean anyWorker(FakeServer server, Predicate<WorkerReport> wanted) {
        return server.reports.stream().flatMap(r -> r.getWorkersList().stream()).anyMatch(wanted);
    }

    /**
     * Workers are kept within their capacities, which need no route. A route may come as a change of another
     * one, and packed. Results stay exact though records of any key go elsewhere.
     */
    @Test
    void workersAreKeptWithinTheirCapacities() throws Exception {
        Numbers numbers = new Numbers(100_000, 300);
        Throttle.reset();
        try (FakeServer server = new FakeServer(0)) {
            JobID job = cluster.start(job(numbers, server.port(), new Throttle(2, 0), "table", "limited", 600), null);
            FakeServer.await("all subtasks attach", () -> server.hellos.size() >= WORKERS + PARTITIONERS + REDUCERS);
            server.say(route(5, WORKERS));
            server.awaitPartitioners(PARTITIONERS, "the route is followed", p -> p.getRouteVersion() == 5);
            server.say(decision(Decision.newBuilder().addAllCapacities(List.of(12_288, 2048, 2048, 512))));
            FakeServer.await("worker 0 has most of the records, worker 3 few", () -> {
                long[] records = lastRecords(server);
                return records[0] > 0.6 * LongStream.of(records).sum() && records[3] < 0.1 * LongStream.of(records).sum();
            });
            Decision.Builder change = Decision.newBuilder()
                    .setChange(RouteChange.newBuilder().setVersion(6).setBase(5).addGone(hash("k1")))
                    .addAllCapacities(List.of(2048, 2048, 2048, 12_288))
                    .setWindow(Long.MAX_VALUE);
            server.say(AttachResponse.newBuilder().setPacked(deflated(change.build())).build());
            server.awaitPartitioners(PARTITIONERS, "the change is followed", p -> p.getRouteVersion() == 6);
            FakeServer.await("worker 3 has most of the records", () -> {
                long[] records = lastRecords(server);
                return records[3] > 0.6 * LongStream.of(records).sum();
            });
            assertTrue(Shown.sum(job, "saspart-partitioner", "overflowedRecords") > 0, "records overflow to worker 3");
            FakeServer.await("two thirds are sent to one of four", () -> Shown.of(job, "saspart-partitioner", "imbalance").stream()
                    .allMatch(v -> Math.abs((double) v - 1.67) < 0.4));
            server.say(decision(Decision.newBuilder().setChange(RouteChange.newBuilder().setVersion(8).setBase(7))));
            FakeServer.await(
                    "partitioners attach again for a route that they know",
                    () -> partitioners(server).stream().filter(h -> h.getRoute().getVersion() == 6).count() >= PARTITIONERS);
            Throttle.off();
            cluster.await(job);
        }
        Committed.verify("limited", numbers.expect(new Fixtures.SumAndCount(), WINDOW));
    }

    /** Records of each worker in its last few reports. */
    private static long[] lastRecords(FakeServer server) {
        long[] records = new long[WORKERS];
        List<Report> reports = List.copyOf(server.reports);
        long newest = reports.stream().mapToLong(Report::getSlide).max().orElse(0);
        for (Report r : reports) {
            for (WorkerReport w : r.getWorkersList()) {
                records[w.getIndex()] += r.getSlide() > newest - 5 ? w.getRecords() : 0;
            }
        }
        return records;
    }

    private static ByteString deflated(Decision decision) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (DeflaterOutputStream deflate = new DeflaterOutputStream(out, new Deflater(9, true))) {
            decision.writeTo(deflate);
        }
        return ByteString.copyFrom(out.toByteArray());
    }

    /** What subtasks of a partitioner learn goes to the server and comes back. */
    @Test
    void sharesAreExchanged() throws Exception {
        Numbers numbers = new Numbers(100_000, 300);
        Throttle.reset();
        try (FakeServer server = new FakeServer(0)) {
            JobID job = cluster.start(job(numbers, server.port(), new Throttle(2, 0), "dalton-metrics", "shares", 600), null);
            server.awaitPartitioners(PARTITIONERS, "partitioners share", p -> p.getShare().size() > 20);
            PartitionerReport[] last = new PartitionerReport[PARTITIONERS];
            server.reports.forEach(r -> r.getPartitionersList().forEach(p -> last[p.getIndex()] = p));
            Decision.Builder decision = Decision.newBuilder().addShares(last[0].getShare()).addShares(last[1].getShare());
            for (double busy : new double[] {1, 0.1, -1, 0.2}) {
                decision.addBusy(busy);
            }
            server.say(decision(decision));
            TimeUnit.MILLISECONDS.sleep(500);
            Throttle.off();
            cluster.await(job);
        }
        Committed.verify("shares", numbers.expect(new Fixtures.SumAndCount(), WINDOW));
        assertEquals(numbers.count, Throttle.PASSED.get());
    }
}

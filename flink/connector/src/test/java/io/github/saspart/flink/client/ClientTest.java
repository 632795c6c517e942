package io.github.saspart.flink.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.saspart.flink.routing.Route;
import io.github.saspart.v1.Decision;
import io.github.saspart.v1.Hello;
import io.github.saspart.v1.KeyRoute;
import io.github.saspart.v1.Subtasks;
import io.grpc.ManagedChannel;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The client's parts that need no server. */
class ClientTest {
    @Test
    void backOffGrowsWithinAFifthByChance() {
        BackOff backOff = new BackOff(new Random(1));
        Set<Long> waits = new HashSet<>();
        for (int round = 0; round < 50; round++) {
            backOff.reset();
            for (double middle : new double[] {100, 150, 225, 337.5}) {
                long wait = backOff.next();
                waits.add(wait);
                assertTrue(wait >= Math.floor(0.8 * middle) && wait <= Math.ceil(1.2 * middle), wait + " ms, not about " + middle);
            }
        }
        for (int i = 0; i < 1000; i++) {
            backOff.next();
        }
        assertTrue(backOff.next() <= 6000, "the longest");
        assertTrue(waits.size() > 100, "only " + waits.size() + " different waits: all would come at once");
    }

    /** Answers keep it fresh; their absence is noticed once; an old answer is none; a fresh one ends it. */
    @Test
    void freshness() {
        Freshness freshness = new Freshness(1000, 100);
        long now = 5_000;
        for (int window = 0; window < 20; window++, now += 100) {
            assertFalse(freshness.reported(now, window), "the server answers");
            assertTrue(freshness.answered(now, window));
        }
        for (int window = 20; window < 29; window++, now += 100) {
            assertFalse(freshness.reported(now, window), "it has been silent for less than a second");
        }
        assertTrue(freshness.reported(now, 29), "it has been silent for a second");
        assertTrue(freshness.stale());
        assertFalse(freshness.reported(now + 100, 30), "which is reported once");
        assertFalse(freshness.answered(now + 100, 12), "an answer to a window of long ago is none");
        assertTrue(freshness.stale());
        assertTrue(freshness.answered(now + 200, 25));
        assertFalse(freshness.stale());
        assertFalse(freshness.reported(now + 1100, 40));
        assertTrue(freshness.reported(now + 1200, 41));
    }

    @Test
    void aServerThatNeverAnswersIsNoticed() {
        Freshness freshness = new Freshness(1000, 100);
        assertFalse(freshness.reported(7000, 70));
        assertFalse(freshness.reported(7900, 79));
        assertTrue(freshness.reported(8000, 80));
    }

    private static io.github.saspart.v1.Route.Builder message() {
        return io.github.saspart.v1.Route.newBuilder()
                .setVersion(7).setWorkers(3).addAllSlots(List.of(0, 1, 2, 0))
                .addKeys(KeyRoute.newBuilder().setHash(5).addWorkers(2))
                .addKeys(KeyRoute.newBuilder().setHash(6).addAllWorkers(List.of(0, 2)).addAllShares(List.of(0.25, 0.75)));
    }

    @Test
    void routesComeBack() {
        Route route = Wire.route(message().build(), 3);
        assertEquals(7, route.version());
        assertEquals(2, route.keys().get(0).worker(0));
        assertEquals(0.75, route.keys().get(1).share(1));
        assertEquals(message().build(), Wire.write(route));
        assertEquals(route, Wire.decode(Wire.encode(route), 3));
        assertNull(Wire.decode(Wire.encode(route), 4), "a job of another size");
        assertNull(Wire.decode(new byte[] {1, 2, 3}, 3), "no route");
    }

    @ParameterizedTest
    @CsvSource({
        "workers, is for 4 workers",
        "slot, goes to worker 3 of 3",
        "negative, goes to worker -1 of 3",
        "slots, slots",
        "key, goes to worker 9 of 3",
        "shares, shares",
        "sum, share",
        "twice, named twice",
        "nobody, 0 workers",
    })
    void routesThatCannotBeFollowedAreRefused(String wrong, String text) {
        io.github.saspart.v1.Route.Builder m = message();
        switch (wrong) {
            case "workers":
                m.setWorkers(4);
                break;
            case "slot":
                m.setSlots(1, 3);
                break;
            case "negative":
                m.setSlots(1, -1);
                break;
            case "slots":
                m.addSlots(0);
                break;
            case "key":
                m.addKeys(KeyRoute.newBuilder().setHash(1).addWorkers(9));
                break;
            case "shares":
                m.addKeys(KeyRoute.newBuilder().setHash(1).addWorkers(0).addWorkers(1));
                break;
            case "sum":
                m.addKeys(KeyRoute.newBuilder().setHash(1).addWorkers(0).addWorkers(1).addShares(0.5).addShares(Double.NaN));
                break;
            case "twice":
                m.addKeys(KeyRoute.newBuilder().setHash(5).addWorkers(0));
                break;
            default:
                m.addKeys(KeyRoute.newBuilder().setHash(1));
        }
        Exception e = assertThrows(IllegalArgumentException.class, () -> Wire.route(m.build(), 3));
        assertTrue(e.getMessage().contains(text), e.getMessage());
    }

    @Test
    void busyRatiosAreChecked() {
        Decision decision = Decision.newBuilder()
                .addBusy(0.5).addBusy(-1).addBusy(1.2).addBusy(Double.NaN).addBusy(Double.POSITIVE_INFINITY).build();
        assertArrayEquals(new double[] {0.5, Double.NaN, 1, Double.NaN, Double.NaN}, Wire.busy(decision, 5));
        assertNull(Wire.busy(decision, 4), "of another number of workers");
    }

    /** A connection is shared, and goes with its last user. */
    @Test
    void connectionsAreShared() {
        Server a = new Server("127.0.0.1:1", "t", false, "", "", "");
        Server same = new Server("127.0.0.1:1", "t", false, "", "", "");
        Server other = new Server("127.0.0.1:1", "u", false, "", "", "");
        ManagedChannel channel = a.acquire();
        assertTrue(channel == same.acquire());
        assertFalse(channel == other.acquire());
        other.release();
        a.release();
        assertFalse(channel.isShutdown());
        same.release();
        assertTrue(channel.isShutdown());
    }

    @Test
    void certificatesThatAreNotThereAreNamed() {
        Server server = new Server("127.0.0.1:1", "", true, "/nowhere/ca.pem", "", "");
        Exception e = assertThrows(IllegalArgumentException.class, server::acquire);
        assertTrue(e.getMessage().contains("/nowhere/ca.pem"), e.getMessage());
    }

    @Test
    void certificatesCanBeGivenAsText() {
        Server server = new Server("127.0.0.1:1", "", true, "-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n", "", "");
        Exception e = assertThrows(IllegalArgumentException.class, server::acquire);
        assertFalse(e.getMessage().contains("No such file"), e.getMessage());
    }

    /** Who could not open its connection gives none back that others have. */
    @Test
    void whatWasNotOpenedIsNotReleased() throws Exception {
        Server server = new Server("127.0.0.1:1", "", false, "", "", "");
        ManagedChannel channel = server.acquire();
        new Attachment(server, Hello.newBuilder().addSubtasks(Subtasks.newBuilder()).build(), null, 1000, null).close();
        Background.THREAD.after(0, () -> {}).get(60, TimeUnit.SECONDS); // it is closed by now
        assertFalse(channel.isShutdown());
        server.release();
        assertTrue(channel.isShutdown());
    }
}

package io.github.saspart.flink.routing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class RouteTest {
    private static Route.Key key(long hash, int worker) {
        return new Route.Key(hash, new int[] {worker}, new double[] {1});
    }

    private static Executable key(int[] workers, double... shares) {
        return () -> new Route.Key(255, workers, shares);
    }

    @Test
    void whatWouldMakeARouterMisbehaveIsRefused() {
        Map<String, Executable> rows = new LinkedHashMap<>();
        rows.put("route: 0 workers; from 1 to 32768 are possible", () -> new Route(1, 0, List.of(), new int[2]));
        rows.put("32769 workers", () -> new Route(1, Route.MAX_WORKERS + 1, List.of(), new int[2]));
        rows.put("route: 3 slots; the number must be a power of two", () -> new Route(1, 2, List.of(), new int[3]));
        rows.put("route: 0 slots", () -> new Route(1, 2, List.of(), new int[0]));
        rows.put("slot 1 goes to worker 2 of 2", () -> new Route(1, 2, List.of(), new int[] {0, 2}));
        rows.put("slot 0 goes to worker -1 of 2", () -> new Route(1, 2, List.of(), new int[] {-1, 0}));
        rows.put("hash 0x7 is named twice", () -> new Route(1, 2, List.of(key(7, 0), key(7, 1)), new int[2]));
        rows.put("goes to worker 2 of 2", () -> new Route(1, 2, List.of(key(7, 2)), new int[2]));
        rows.put("hash 0xff has 2 workers and 1 shares", key(new int[] {0, 1}, 1));
        rows.put("0 workers and 0 shares", key(new int[0]));
        rows.put("hash 0xff goes to worker -1", key(new int[] {-1}, 1));
        rows.put("are not ascending", key(new int[] {1, 1}, 0.5, 0.5));
        rows.put("has share 0.0 at worker 1", key(new int[] {0, 1}, 1, 0));
        rows.put("has share NaN at worker 0", key(new int[] {0}, Double.NaN));
        rows.put("has share Infinity at worker 0", key(new int[] {0}, Double.POSITIVE_INFINITY));
        rows.put("sum to 0.9", key(new int[] {0}, 0.9));
        rows.forEach((says, made) -> {
            String message = assertThrows(IllegalArgumentException.class, made, says).getMessage();
            assertTrue(message.contains(says), message);
        });
    }

    @Test
    void aRouteTravelsWhole() throws IOException, ClassNotFoundException {
        Route route = Draw.route(new Random(1), 9, 5);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
            out.writeObject(route);
        }
        try (ObjectInputStream in = new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
            assertEquals(route, in.readObject());
        }
        assertNotEquals(route, Draw.route(new Random(1), 8, 5));
    }

    @Test
    void theArraysItWasMadeOfMayChange() {
        int[] slots = {0, 1};
        Route route = new Route(1, 2, List.of(), slots);
        slots[1] = 0;
        assertEquals(1, route.slot(1));
    }

    @Test
    void slotsAreTheTopBits() {
        assertEquals(4096, Route.slotCount(1));
        assertEquals(8192, Route.slotCount(257));
        assertEquals(3, Route.slotOf(-1, 4));
        assertEquals(1, Route.slotOf(1L << 62, 4));
    }
}

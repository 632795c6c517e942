package io.github.saspart.flink.internal.split;

import io.github.saspart.flink.routing.Hashing;
import io.github.saspart.flink.routing.Route;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;

/**
 * Where keys that are not split have their one worker: by hash modulo P, or as a route says. A
 * record that goes elsewhere, or whose router may send others of its key elsewhere, is marked.
 *
 * <p>Maps are compared by content: a server that was started anew may give another route the version
 * of one that it gave before.
 */
public final class RouteMap {
    /** By hash modulo P: the map of partitioners that follow no routes, but for those that go by slot. */
    public static final RouteMap HOME = new RouteMap(null, 0);

    private final Route route;
    private final long id;

    private RouteMap(Route route, long id) {
        this.route = route;
        this.id = id;
    }

    /** The map of a route. */
    public static RouteMap of(Route route) {
        int size = 4 + 4 * route.slots();
        for (Route.Key k : route.keys()) {
            size += 12 + 4 * k.size();
        }
        ByteBuffer content = ByteBuffer.allocate(size).putInt(route.slots());
        for (int i = 0; i < route.slots(); i++) {
            content.putInt(route.slot(i));
        }
        for (Route.Key k : route.keys()) {
            content.putLong(k.hash()).putInt(k.size());
            for (int i = 0; i < k.size(); i++) {
                content.putInt(k.worker(i));
            }
        }
        long id = Hashing.hash(content.array());
        return new RouteMap(route, id == HOME.id ? 1 : id);
    }

    /** Tells maps apart. */
    long id() {
        return id;
    }

    /** The keys that have another worker by {@code next}, and maybe others. */
    Moves to(RouteMap next) {
        if (id == next.id) {
            return Moves.NONE;
        }
        if (route == null || next.route == null) {
            return Moves.ALL;
        }
        int slots = Math.max(route.slots(), next.route.slots());
        Moves moves = new Moves(slots);
        for (int i = 0; i < slots; i++) {
            if (slotWorker(route, i, slots) != slotWorker(next.route, i, slots)) {
                moves.addSlot(i);
            }
        }
        Map<Long, Route.Key> before = byHash(route);
        Map<Long, Route.Key> after = byHash(next.route);
        for (Long hash : before.keySet()) {
            if (!after.containsKey(hash)) {
                moved(hash, before, after, next.route, moves);
            }
        }
        for (Long hash : after.keySet()) {
            moved(hash, before, after, next.route, moves);
        }
        return moves;
    }

    private void moved(long hash, Map<Long, Route.Key> before, Map<Long, Route.Key> after, Route next, Moves moves) {
        if (worker(route, before.get(hash), hash) != worker(next, after.get(hash), hash)) {
            moves.addKey(hash);
        }
    }

    /** The one worker of a key by a route; for a split key none, which equals no worker. */
    private static int worker(Route route, Route.Key key, long hash) {
        if (key == null) {
            return route.slot(Route.slotOf(hash, route.slots()));
        }
        return key.size() == 1 ? key.worker(0) : -1;
    }

    private static int slotWorker(Route route, int slot, int slots) {
        return route.slot((int) ((long) slot * route.slots() / slots));
    }

    private static Map<Long, Route.Key> byHash(Route route) {
        Map<Long, Route.Key> keys = new HashMap<>();
        for (Route.Key k : route.keys()) {
            keys.put(k.hash(), k);
        }
        return keys;
    }
}

package io.github.saspart.flink.client;

import com.google.protobuf.ByteString;
import com.google.protobuf.CodedInputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import io.github.saspart.flink.routing.Capacities;
import io.github.saspart.flink.routing.Route;
import io.github.saspart.v1.Decision;
import io.github.saspart.v1.KeyRoute;
import io.github.saspart.v1.RouteChange;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.zip.Inflater;
import java.util.zip.InflaterInputStream;

/** Turns messages into what the connector works with, and back. Nothing that comes in is trusted. */
public final class Wire {
    private static final double CAPACITY_UNIT = 4096; // the mean capacity, and a load of 1

    private Wire() {}

    /** The route of a message; an {@link IllegalArgumentException} tells why it cannot be followed. */
    static Route route(io.github.saspart.v1.Route message, int workers) {
        if (message.getWorkers() != workers) {
            throw new IllegalArgumentException(
                    "route: is for " + Integer.toUnsignedString(message.getWorkers()) + " workers; the job has " + workers);
        }
        int[] slots = new int[message.getSlotsCount()];
        for (int i = 0; i < slots.length; i++) {
            slots[i] = message.getSlots(i);
        }
        List<Route.Key> keys = new ArrayList<>(message.getKeysCount());
        for (KeyRoute k : message.getKeysList()) {
            keys.add(key(k));
        }
        return new Route(message.getVersion(), workers, keys, slots);
    }

    private static Route.Key key(KeyRoute k) {
        int[] of = new int[k.getWorkersCount()];
        double[] shares = new double[k.getSharesCount()];
        for (int i = 0; i < of.length; i++) {
            of[i] = k.getWorkers(i);
        }
        for (int i = 0; i < shares.length; i++) {
            shares[i] = k.getShares(i);
        }
        return new Route.Key(k.getHash(), of, of.length == 1 && shares.length == 0 ? new double[] {1} : shares);
    }

    /**
     * The route that a message makes of its base: keys of the base keep their places, new ones come behind
     * them. An {@link IllegalArgumentException} tells why it cannot be followed.
     */
    static Route change(RouteChange message, Route base) {
        int[] slots = new int[base.slots()];
        for (int i = 0; i < slots.length; i++) {
            slots[i] = base.slot(i);
        }
        if (message.getSlotsCount() != message.getWorkersCount()) {
            throw new IllegalArgumentException("route: a change has another number of slots than of workers");
        }
        long next = 0;
        for (int i = 0; i < message.getSlotsCount(); i++, next++) {
            next += Integer.toUnsignedLong(message.getSlots(i));
            if (next >= slots.length) {
                throw new IllegalArgumentException("route: slot " + next + " of " + slots.length);
            }
            slots[(int) next] = message.getWorkers(i);
        }
        Map<Long, Route.Key> changed = new LinkedHashMap<>();
        for (KeyRoute k : message.getKeysList()) {
            if (changed.put(k.getHash(), key(k)) != null) {
                throw new IllegalArgumentException(String.format("route: key with hash %#x is named twice", k.getHash()));
            }
        }
        Set<Long> gone = new HashSet<>(message.getGoneList());
        List<Route.Key> keys = new ArrayList<>(base.keys().size() + changed.size());
        for (Route.Key k : base.keys()) {
            Route.Key now = changed.remove(k.hash());
            if (now != null) {
                keys.add(now);
            } else if (!gone.contains(k.hash())) {
                keys.add(k);
            }
        }
        keys.addAll(changed.values());
        return new Route(message.getVersion(), base.workers(), keys, slots);
    }

    /** The capacities of a decision, null if it has none; an {@link IllegalArgumentException} tells what is wrong with them. */
    static Capacities capacities(Decision decision, int workers) {
        int n = decision.getCapacitiesCount();
        if (n == 0 && decision.getWaitingCount() == 0) {
            return null;
        }
        if (n != workers) {
            throw new IllegalArgumentException("capacities: made for " + n + " workers, the job has " + workers);
        }
        double[] parts = new double[workers];
        for (int w = 0; w < workers; w++) {
            parts[w] = Integer.toUnsignedLong(decision.getCapacities(w));
        }
        double[] waiting = decision.getWaitingList().stream().mapToDouble(v -> v).toArray();
        double load = Math.min(Integer.toUnsignedLong(decision.getLoad()) / CAPACITY_UNIT, 1);
        return new Capacities(parts, waiting.length == 0 ? null : waiting, load);
    }

    /** The decision in a packed one of at most {@code most} bytes. */
    static Decision unpack(ByteString packed, int most) throws IOException {
        Inflater inflater = new Inflater(true);
        try {
            CodedInputStream in = CodedInputStream.newInstance(new InflaterInputStream(packed.newInput(), inflater));
            in.setSizeLimit(most);
            return Decision.parseFrom(in);
        } finally {
            inflater.end();
        }
    }

    /** The route that {@link #encode} made bytes of; null if it is for another number of workers. */
    public static Route decode(byte[] bytes, int workers) {
        try {
            return route(io.github.saspart.v1.Route.parseFrom(bytes), workers);
        } catch (InvalidProtocolBufferException | IllegalArgumentException e) {
            return null;
        }
    }

    /** A route as bytes that later versions can read. */
    public static byte[] encode(Route route) {
        return write(route).toByteArray();
    }

    /** The message of a route, without names. */
    static io.github.saspart.v1.Route write(Route route) {
        io.github.saspart.v1.Route.Builder message =
                io.github.saspart.v1.Route.newBuilder().setVersion(route.version()).setWorkers(route.workers());
        for (int i = 0; i < route.slots(); i++) {
            message.addSlots(route.slot(i));
        }
        for (Route.Key k : route.keys()) {
            KeyRoute.Builder key = KeyRoute.newBuilder().setHash(k.hash());
            for (int i = 0; i < k.size(); i++) {
                key.addWorkers(k.worker(i));
                if (k.size() > 1) {
                    key.addShares(k.share(i));
                }
            }
            message.addKeys(key);
        }
        return message.build();
    }

    /** The busy ratios of a decision, NaN where missing; null if there are none of as many workers. */
    static double[] busy(Decision decision, int workers) {
        if (decision.getBusyCount() != workers) {
            return null;
        }
        double[] busy = new double[workers];
        for (int i = 0; i < workers; i++) {
            double b = decision.getBusy(i);
            busy[i] = b >= 0 && b <= 2 ? Math.min(b, 1) : Double.NaN;
        }
        return busy;
    }

    /** What was shared, by partitioner subtask. */
    static List<byte[]> shares(Decision decision) {
        List<byte[]> shares = new ArrayList<>(decision.getSharesCount());
        for (ByteString s : decision.getSharesList()) {
            shares.add(s.toByteArray());
        }
        return shares;
    }
}

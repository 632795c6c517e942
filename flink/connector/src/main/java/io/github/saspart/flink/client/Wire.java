package io.github.saspart.flink.client;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import io.github.saspart.flink.routing.Route;
import io.github.saspart.v1.Decision;
import io.github.saspart.v1.KeyRoute;
import java.util.ArrayList;
import java.util.List;

/** Turns messages into what the connector works with, and back. Nothing that comes in is trusted. */
public final class Wire {
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
            int[] of = new int[k.getWorkersCount()];
            double[] shares = new double[k.getSharesCount()];
            for (int i = 0; i < of.length; i++) {
                of[i] = k.getWorkers(i);
            }
            for (int i = 0; i < shares.length; i++) {
                shares[i] = k.getShares(i);
            }
            keys.add(new Route.Key(k.getHash(), of, of.length == 1 && shares.length == 0 ? new double[] {1} : shares));
        }
        return new Route(message.getVersion(), workers, keys, slots);
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

package io.github.saspart.flink.internal;

import io.github.saspart.flink.ControlListener;
import io.github.saspart.flink.client.Listener;
import io.github.saspart.flink.routing.Capacities;
import io.github.saspart.flink.routing.Options;
import io.github.saspart.flink.routing.Route;
import io.github.saspart.v1.Control;
import io.github.saspart.v1.Model;
import java.util.List;
import java.util.Map;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonProcessingException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.type.TypeReference;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a partitioner subtask has to adopt with its next slide. The background thread puts it in, and
 * the subtask's thread looks at one field per slide; of two of a kind the newer one counts.
 */
final class Inbox implements Listener {
    private static final Logger LOG = LoggerFactory.getLogger(Inbox.class);
    private static final ObjectMapper JSON = new ObjectMapper();

    private final int subtask;
    private final ControlListener control; // null: none
    private final Runnable arrived;

    private volatile boolean full;
    private volatile boolean unattended;
    private volatile String controller = "none"; // while the server answers
    private Timed<Route> route; // these are guarded by this
    private Timed<Options> partitioner;
    private Capacities capacities;
    private Capacities behind; // for the partitioner that is waiting
    private double[] busy;
    private List<byte[]> shares;
    private Boolean alone;

    /**
     * Makes an empty one; {@code arrived} is called when a route or capacities have come, on the background
     * thread.
     */
    Inbox(int subtask, ControlListener control, Runnable arrived) {
        this.subtask = subtask;
        this.control = control;
        this.arrived = arrived;
    }

    /** Something to be taken up with a slide. */
    private static final class Timed<V> {
        final V value;
        final long start;

        Timed(V value, long start) {
            this.value = value;
            this.start = start;
        }
    }

    /** Takes things up, on the subtask's thread. */
    interface Taker {
        void partitioner(Options options);

        void capacities(Capacities capacities);

        void route(Route route);

        void busy(double[] ratios);

        void shares(List<byte[]> shares);

        void alone(boolean alone);
    }

    /** Hands over what is due when a slide of number {@code now}, or a later one, begins. */
    void take(long now, Taker taker) {
        if (!full) {
            return;
        }
        synchronized (this) {
            takeCapacities(taker);
            if (partitioner != null && partitioner.start <= now) {
                taker.partitioner(partitioner.value);
                partitioner = null;
                capacities = behind;
                behind = null;
                takeCapacities(taker);
            }
            if (route != null && route.start <= now) {
                taker.route(route.value);
                route = null;
            }
            if (busy != null) {
                taker.busy(busy);
                busy = null;
            }
            if (shares != null) {
                taker.shares(shares);
                shares = null;
            }
            if (alone != null) {
                taker.alone(alone);
                alone = null;
            }
            full = partitioner != null || route != null;
        }
    }

    private void takeCapacities(Taker taker) {
        if (capacities != null) {
            taker.capacities(capacities);
            capacities = null;
        }
    }

    /** Whether a route or capacities are waiting. */
    synchronized boolean canCatchUp() {
        return route != null || capacities != null;
    }

    /**
     * Hands over the capacities and the route that wait for a slide to begin. What is behind another
     * partitioner waits for that.
     */
    synchronized void catchUp(Taker taker) {
        takeCapacities(taker);
        if (route != null && partitioner == null) {
            taker.route(route.value);
            route = null;
        }
    }

    @Override
    public void route(Route route, long start) {
        synchronized (this) {
            this.route = new Timed<>(route, start);
            full = true;
        }
        arrived.run();
    }

    @Override
    public void capacities(Capacities capacities) {
        synchronized (this) {
            if (partitioner == null) {
                this.capacities = capacities;
            } else {
                behind = capacities;
            }
            full = true;
        }
        arrived.run();
    }

    @Override
    public synchronized void busy(double[] ratios) {
        busy = ratios;
        full = true;
    }

    @Override
    public synchronized void shares(List<byte[]> shares) {
        this.shares = shares;
        full = true;
    }

    @Override
    public synchronized void alone(boolean alone) {
        this.alone = alone;
        unattended = alone;
        full = true;
    }

    @Override
    public void model(Model model) {
        controller = model.getAnalytic() ? "analytic" : "server";
    }

    /** What decides about keys: the server's model, its analytic routes, wchoices without an answer; none yet. */
    String decides() {
        return unattended ? "wchoices" : controller;
    }

    @Override
    public void control(Control message) {
        if (message.hasPartitioner()) {
            switchTo(message.getPartitioner());
        }
        if (control == null) {
            return;
        }
        if (message.hasRate() && message.getRate() >= 0) {
            control.rate(subtask, message.getRate());
        }
        if (message.getEnd()) {
            control.end(subtask);
        }
    }

    private void switchTo(String json) {
        try {
            Map<String, Object> tree = JSON.readValue(json, new TypeReference<>() {});
            if (tree == null) {
                throw new IllegalArgumentException("null is no partitioner");
            }
            Options options = Options.of(tree);
            synchronized (this) {
                if (behind != null) { // of a partitioner that is overtaken
                    capacities = behind;
                    behind = null;
                }
                partitioner = new Timed<>(options, 0);
                full = true;
            }
        } catch (JsonProcessingException | IllegalArgumentException e) {
            LOG.warn("the policy server asks for a partitioner that is none here; the one in force stays: {}", e.getMessage());
        }
    }
}

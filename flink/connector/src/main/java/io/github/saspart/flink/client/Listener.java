package io.github.saspart.flink.client;

import io.github.saspart.flink.routing.Capacities;
import io.github.saspart.flink.routing.Route;
import io.github.saspart.v1.Control;
import io.github.saspart.v1.Model;
import java.util.List;

/** Receives what a partitioner subtask has to adopt. Called on the background thread. */
public interface Listener {
    /** A route to follow from slide {@code start} on, or from the next one if that has begun; 0: the next. */
    void route(Route route, long start);

    /** What the workers can do from now on. */
    void capacities(Capacities capacities);

    /** Busy ratios of a window by worker, NaN where missing. */
    void busy(double[] ratios);

    /** What the partitioner's subtasks learned, by subtask. */
    void shares(List<byte[]> shares);

    /** What the server's owner wants. */
    void control(Control control);

    /** What decides at the server. */
    void model(Model model);

    /** The server has fallen silent, or is back. */
    void alone(boolean alone);
}

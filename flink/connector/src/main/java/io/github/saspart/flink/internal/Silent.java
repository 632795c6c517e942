package io.github.saspart.flink.internal;

import io.github.saspart.flink.client.Listener;
import io.github.saspart.flink.routing.Capacities;
import io.github.saspart.flink.routing.Route;
import io.github.saspart.v1.Control;
import io.github.saspart.v1.Model;
import java.util.List;

/** Listens for subtasks that take nothing up: workers and reducers. */
enum Silent implements Listener {
    /** The only one. */
    LISTENER;

    @Override
    public void route(Route route, long start) {}

    @Override
    public void capacities(Capacities capacities) {}

    @Override
    public void busy(double[] ratios) {}

    @Override
    public void shares(List<byte[]> shares) {}

    @Override
    public void control(Control control) {}

    @Override
    public void model(Model model) {}

    @Override
    public void alone(boolean alone) {}
}

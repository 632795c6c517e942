package io.github.saspart.flink.jobs.work;

import io.github.saspart.flink.routing.Names;
import io.github.saspart.flink.routing.Settings;
import java.io.Serializable;
import java.util.Arrays;
import java.util.List;

/** How fast workers are, as a Go job's {@code capacity}, {@code speeds}, {@code costs} and {@code work_ratio} say. */
public final class WorkConfig implements Serializable {
    private static final long serialVersionUID = 1;

    private static final List<String> CAPACITIES = List.of("emulated", "native");
    private static final double FAR = 1e18; // ns: longer than any job

    /** Workers take the time that costs and speeds give; false: as fast as the machine, costs and speeds do not count. */
    public final boolean emulated;
    /** Of each worker: work per second against a worker of speed 1. */
    public final double[] speeds;
    /** Scales the work per record. */
    public final double ratio;

    // Service times at speed 1, ns.
    /** Worker, per record. */
    public final double record;
    /** Worker, per unit of work (word, value) in a record. */
    public final double unit;
    /** Worker, per partial result handed on. */
    public final double emit;
    /** Worker, per entry (word, centroid) merged when panes are joined to a window. */
    public final double pane;
    /** Reducer, per partial result merged. */
    public final double merge;
    /** Reducer, per entry (word, centroid) of a partial result. */
    public final double entry;

    /** Reads them among the settings of a job with a number of workers. */
    public WorkConfig(Settings s, int workers) {
        String capacity = s.text("capacity", "emulated");
        if (!CAPACITIES.contains(capacity)) {
            s.problem("capacity", "is \"" + capacity + "\"; " + Names.explain(capacity, CAPACITIES));
        }
        emulated = capacity.equals("emulated");
        ratio = s.real("work_ratio", 1, 0, FAR);
        speeds = speeds(s, workers);
        Settings costs = s.section("costs");
        record = costs.real("record_ns", 20, 0, FAR);
        unit = costs.real("unit_ns", 70, 0, FAR);
        emit = costs.real("emit_ns", 70, 0, FAR);
        pane = costs.real("pane_ns", 40, 0, FAR);
        merge = costs.real("merge_ns", 60, 0, FAR);
        entry = costs.real("entry_ns", 50, 0, FAR);
        costs.leave("route_ns"); // routing takes the time that it takes here
    }

    private static double[] speeds(Settings s, int workers) {
        double[] list = s.reals("speeds");
        if (list.length == 0) {
            list = new double[workers];
            Arrays.fill(list, 1);
        }
        if (list.length != workers) {
            s.problem("speeds", "has " + list.length + " speeds for " + workers + " workers");
        }
        for (double speed : list) {
            if (!(speed > 0 && speed <= FAR)) {
                s.problem("speeds", "holds " + speed + "; a speed must be a finite number above 0");
            }
        }
        return list;
    }
}

package io.github.saspart.flink.jobs.task;

import io.github.saspart.flink.routing.Names;
import io.github.saspart.flink.routing.Settings;
import java.io.Serializable;
import java.util.List;

/** Chooses a task, in the names, with the bounds and with the defaults of a Go job's {@code task}. */
public final class TaskConfig implements Serializable {
    private static final long serialVersionUID = 1;

    /** The tasks there are. */
    public static final List<String> NAMES = List.of("count", "wordcount", "tdigest");

    /** One of {@link #NAMES}. */
    public final String name;
    /** Of a t-digest: higher is more accurate, larger and slower. */
    public final double compression;
    /** Of a t-digest: which ones results show. */
    public final double[] quantiles;

    /** Reads the settings of a task; {@code name} is what it is if they don't say. */
    public TaskConfig(Settings s, String name) {
        this.name = s.text("name", name);
        if (!NAMES.contains(this.name)) {
            s.problem("name", "is \"" + this.name + "\", which is no task; " + Names.explain(this.name, NAMES));
        }
        compression = s.real("compression", 20, 5, 1000);
        quantiles = s.has("quantiles") ? s.reals("quantiles") : new double[] {0.01, 0.25, 0.5, 0.75, 0.99};
        for (double q : quantiles) {
            if (!(q >= 0 && q <= 1)) {
                s.problem("quantiles", "holds " + q + "; a quantile must be from 0 to 1");
            }
        }
    }
}

package io.github.saspart.flink.jobs.task;

import io.github.saspart.flink.jobs.source.Payload;
import io.github.saspart.flink.routing.Names;
import io.github.saspart.flink.routing.Settings;
import java.io.Serializable;
import java.util.Arrays;
import java.util.List;
import java.util.function.BiFunction;
import java.util.stream.Collectors;

/** Chooses a task, in the names, with the bounds and with the defaults of a Go job's {@code task}. */
public final class TaskConfig implements Serializable {
    private static final long serialVersionUID = 1;

    /** The tasks there are. A new one adds its row here. */
    enum Kind {
        COUNT("count", Payload.NONE, (config, renders) -> new CountTask(renders)),
        WORDCOUNT("wordcount", Payload.TEXT, (config, renders) -> new WordCount(renders)),
        TDIGEST("tdigest", Payload.VALUES, DigestTask::new);

        final String title;
        /** What the task reads of a record. */
        final Payload payload;
        final BiFunction<TaskConfig, Boolean, Task<?>> create;

        Kind(String title, Payload payload, BiFunction<TaskConfig, Boolean, Task<?>> create) {
            this.title = title;
            this.payload = payload;
            this.create = create;
        }
    }

    /** The names of the tasks. */
    public static final List<String> NAMES = Arrays.stream(Kind.values()).map(kind -> kind.title).collect(Collectors.toList());

    /** One of {@link #NAMES}, unless the settings have a problem. */
    public final String name;
    /** What the task reads of a record. */
    public final Payload payload;
    /** Null if there is no such task, which the settings note. */
    final Kind kind;
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
        kind = NAMES.contains(this.name) ? Kind.values()[NAMES.indexOf(this.name)] : null;
        payload = kind == null ? Payload.NONE : kind.payload;
        compression = s.real("compression", 20, 5, 1000);
        quantiles = s.has("quantiles") ? s.reals("quantiles") : new double[] {0.01, 0.25, 0.5, 0.75, 0.99};
        for (double q : quantiles) {
            if (!(q >= 0 && q <= 1)) {
                s.problem("quantiles", "holds " + q + "; a quantile must be from 0 to 1");
            }
        }
    }
}

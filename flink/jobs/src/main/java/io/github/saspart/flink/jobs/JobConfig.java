package io.github.saspart.flink.jobs;

import io.github.saspart.flink.jobs.source.SourceConfig;
import io.github.saspart.flink.jobs.source.StreamPlan;
import io.github.saspart.flink.jobs.task.TaskConfig;
import io.github.saspart.flink.jobs.work.WorkConfig;
import io.github.saspart.flink.routing.Names;
import io.github.saspart.flink.routing.Options;
import io.github.saspart.flink.routing.Route;
import io.github.saspart.flink.routing.Settings;
import java.math.BigInteger;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The configuration of a job. */
public final class JobConfig {
    private static final List<String> SPACINGS = List.of("even", "poisson");
    private static final double MAX_RATE = 1e9; // records/s: one a nanosecond
    private static final long DAY = 24 * 3600 * 1000; // ms

    /** The job's name, as Flink and the policy server show it. */
    public final String job;
    /** This run of the job; empty: Flink's id of the job. */
    public final String instance;
    /** Host and port of the policy server; empty: none. */
    public final String server;
    /** Bearer token for the server; empty: none. */
    public final String token;
    /** PEM text of the authorities that vouch for the server; empty: the connection is in the clear. */
    public final String serverAuthorities;
    /** What is computed. */
    public final TaskConfig task;
    /** Workers, P. */
    public final int workers;
    /** Sources, each with its partitioner. */
    public final int partitioners;
    /** Reducers. */
    public final int reducers;
    /** Windows of event time slide by this, ms. */
    public final long slideMillis;
    /** Length of a window, ms: a multiple of the slide. */
    public final long windowMillis;
    /** Slides in a metric window. */
    public final int metricSlides;
    /** Heavy keys reported per slide; 0: as many as the connector thinks right. */
    public final int hotKeys;
    /** Hash slots counted; 0: as many as the connector thinks right. */
    public final int slots;
    /** The partitioner's name and options, checked. */
    public final Map<String, Object> partitioner;
    /** The records and their times. */
    public final StreamPlan stream;
    /** What bounds the workers. */
    public final WorkConfig work;
    /** Folder that results are written to; empty: they are only counted. */
    public final String results;
    /** Time between checkpoints, ms; 0: there are none. */
    public final long checkpointMillis;
    /** Folder of the checkpoints, as Flink takes it; empty: the cluster's. */
    public final String checkpointDir;
    /** After this long without an answer of the server the job continues without it, ms. */
    public final long staleAfterMillis;

    private JobConfig(Settings s, Map<String, Object> partitionerTree, String taskName) {
        job = s.text("job", taskName);
        if (job.isEmpty()) {
            s.problem("job", "is empty; give the job a name");
        }
        instance = s.text("instance", "");
        server = s.text("server", "");
        token = s.text("token", "");
        serverAuthorities = s.text("tls_ca_pem", "");
        task = new TaskConfig(s.section("task"), taskName);
        workers = (int) s.whole("workers", 8, 1, Route.MAX_WORKERS);
        partitioners = (int) s.whole("partitioners", 1, 1, 1024);
        reducers = (int) s.whole("reducers", 2, 1, Route.MAX_WORKERS);
        slideMillis = s.whole("slide_ms", 500, 1, DAY);
        windowMillis = s.whole("window_ms", 1000, 1, DAY);
        if (windowMillis % slideMillis != 0) {
            s.problem("window_ms", "is " + windowMillis + "; it must be a multiple of slide_ms, " + slideMillis);
        }
        metricSlides = (int) s.whole("metric_slides", 2, 1, 1 << 16);
        hotKeys = (int) s.whole("hot_keys", 0, 0, 1 << 16);
        slots = (int) s.whole("slots", 0, 0, 1 << 24);
        if ((slots & slots - 1) != 0) {
            s.problem("slots", "is " + slots + "; it must be a power of two, or 0");
        }
        Options.read(s.section("partitioner"));
        partitioner = partitionerTree;
        long seed = s.whole("seed", 1, Long.MIN_VALUE, Long.MAX_VALUE);
        stream = new StreamPlan(new SourceConfig(s.section("source"), task.payload), task.payload,
                seed, partitioners, s.real("rate", 10_000, 0, MAX_RATE), isPoisson(s),
                s.whole("records", 0, 0, Long.MAX_VALUE), s.whole("duration_ms", 0, 0, 366 * DAY) * 1_000_000,
                slideMillis * 1_000_000);
        work = new WorkConfig(s, workers);
        results = s.text("results", "");
        checkpointMillis = s.whole("checkpoint_ms", 0, 0, DAY);
        checkpointDir = s.text("checkpoint_dir", "");
        if (!results.isEmpty() && checkpointMillis == 0) {
            s.problem("results", "are asked for without checkpoints, which is when they are written; set checkpoint_ms to 1000");
        }
        if (!checkpointDir.isEmpty() && checkpointMillis == 0) {
            s.problem("checkpoint_dir", "is set without checkpoints; set checkpoint_ms to 1000");
        }
        staleAfterMillis = s.whole("stale_after_ms", 5000, 1, DAY);
    }

    private static boolean isUnsigned(BigInteger v) {
        return v.signum() >= 0 && v.bitLength() <= 64;
    }

    private static boolean isPoisson(Settings s) {
        String spacing = s.text("spacing", "even");
        if (!SPACINGS.contains(spacing)) {
            s.problem("spacing", "is \"" + spacing + "\"; " + Names.explain(spacing, SPACINGS));
        }
        return spacing.equals("poisson");
    }

    /**
     * Reads a tree of settings, as JSON gives it.
     *
     * @param task what the job computes if the tree doesn't say
     * @throws IllegalArgumentException with a line for everything that is wrong
     */
    public static JobConfig of(Map<String, Object> tree, String task) {
        Map<String, Object> signed = new LinkedHashMap<>(tree);
        // Seeds use all 64 bits.
        signed.computeIfPresent("seed", (name, v) -> v instanceof BigInteger && isUnsigned((BigInteger) v) ? ((BigInteger) v).longValue() : v);
        Settings settings = Settings.of(signed);
        Object partitioner = tree.getOrDefault("partitioner", Map.of("name", "hash"));
        @SuppressWarnings("unchecked") // keys of JSON objects are strings; another kind of value is an error below
        Map<String, Object> partitionerTree = partitioner instanceof Map ? (Map<String, Object>) partitioner : Map.of();
        JobConfig config = new JobConfig(settings, partitionerTree, task);
        settings.finish();
        return config;
    }
}

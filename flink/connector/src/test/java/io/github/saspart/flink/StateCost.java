package io.github.saspart.flink;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.runtime.checkpoint.CompletedCheckpointStats;
import org.apache.flink.runtime.checkpoint.TaskStateStats;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.streaming.api.windowing.assigners.SlidingEventTimeWindows;

/**
 * Prints what checkpoints of many keys and slides cost, beside Flink's own sliding windows with the same keys and
 * windows: their size, how long tasks stand still for one (the synchronous part of the slowest subtask), and how long
 * it takes in all. A second checkpoint follows after a hundredth of the keys had another record.
 *
 * <p>Arguments: keys of a worker, slides, workers, backends, ways.
 */
public final class StateCost {
    private StateCost() {}

    /** Measures. */
    public static void main(String[] args) throws Exception {
        int keys = args.length > 0 ? Integer.parseInt(args[0]) : 100_000;
        int slides = args.length > 1 ? Integer.parseInt(args[1]) : 1;
        int workers = args.length > 2 ? Integer.parseInt(args[2]) : 2;
        String[] backends = args.length > 3 ? args[3].split(",") : new String[] {"hashmap", "rocksdb"};
        String[] ways = args.length > 4 ? args[4].split(",") : new String[] {"stock", "saspart"};
        System.out.printf("%d workers with %d keys each, in %d slides%n", workers, keys, slides);
        System.out.printf("%-9s %-10s %12s %12s %12s %12s%n", "backend", "way", "checkpoint", "MB", "sync, ms", "in all, ms");
        try (Cluster cluster = new Cluster("32kb", "1536mb")) {
            for (String backend : backends) {
                for (String way : ways) {
                    Path directory = Files.createTempDirectory("state-cost");
                    CompletedCheckpointStats[] stats = measure(cluster, way, backend, keys, slides, workers, directory);
                    for (int i = 0; i < stats.length; i++) {
                        System.out.printf(
                                "%-9s %-10s %12s %12.1f %12d %12d%n", backend, way, i == 0 ? "first" : "second",
                                stats[i].getStateSize() / 1e6, syncMillis(stats[i]), stats[i].getEndToEndDuration());
                    }
                }
            }
        }
    }

    /** The synchronous part of the subtask that has the longest, ms. */
    static long syncMillis(CompletedCheckpointStats stats) {
        return stats.getAllTaskStateStats().stream()
                .map(TaskStateStats::getSummaryStats)
                .mapToLong(s -> s.getSyncCheckpointDurationStats().getMaximum())
                .max()
                .orElse(0);
    }

    /** Two checkpoints of a job whose windows are all open. */
    static CompletedCheckpointStats[] measure(
            Cluster cluster, String way, String backend, int keys, int slides, int workers, Path directory) throws Exception {
        Configuration settings = new Configuration();
        settings.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, directory.toUri().toString());
        settings.set(StateBackendOptions.STATE_BACKEND, backend);
        settings.set(CheckpointingOptions.INCREMENTAL_CHECKPOINTS, true);
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment(settings);
        env.setParallelism(workers);
        env.getConfig().enableObjectReuse();
        env.enableCheckpointing(3_600_000); // they are asked for
        long all = (long) keys * workers * slides;
        DataStream<Long> numbers = env.addSource(new Waves(all, all / 100), "numbers")
                .assignTimestampsAndWatermarks(WatermarkStrategy.<Long>noWatermarks()
                        .withTimestampAssigner((n, before) -> 1_000_000 + n % slides * 1000));
        KeySelector<Long, Long> key = n -> n / slides;
        Duration slide = Duration.ofSeconds(1);
        if (way.equals("stock")) {
            numbers.keyBy(key)
                    .window(SlidingEventTimeWindows.of(slide.multipliedBy(slides), slide))
                    .aggregate(new Fixtures.Counting())
                    .sinkTo(new DiscardingSink<>());
        } else {
            SaspartOptions options = SaspartOptions.builder("state", workers).partitioner("hash").build();
            Saspart.aggregate(numbers, key, new Fixtures.Counting(), WindowSpec.sliding(slide.multipliedBy(slides), slide), options)
                    .sinkTo(new DiscardingSink<>());
        }
        Waves.ALLOWED.set(1);
        Waves.SENT.set(0);
        JobID job = cluster.start(env, null);
        CompletedCheckpointStats[] stats = new CompletedCheckpointStats[2];
        for (int i = 0; i < stats.length; i++) {
            Waves.ALLOWED.set(i + 1);
            while (Waves.SENT.get() <= i) {
                Thread.sleep(5);
            }
            stats[i] = cluster.checkpoint(job); // its barrier comes behind all records
        }
        cluster.cancel(job);
        return stats;
    }

    /** Sends all numbers from 0, and then the first of them again; each time when it may. */
    @SuppressWarnings("deprecation") // the newer sources need five classes for this
    private static final class Waves implements OldSource<Long> {
        private static final long serialVersionUID = 1;

        static final AtomicLong ALLOWED = new AtomicLong();
        static final AtomicLong SENT = new AtomicLong();

        private final long[] numbers;
        private volatile boolean cancelled;

        Waves(long... numbers) {
            this.numbers = numbers;
        }

        @Override
        public void run(SourceContext<Long> out) throws Exception {
            for (int wave = 0; wave < numbers.length && !cancelled; wave++) {
                while (ALLOWED.get() <= wave && !cancelled) {
                    Thread.sleep(5);
                }
                for (long n = 0; n < numbers[wave] && !cancelled; n++) {
                    synchronized (out.getCheckpointLock()) {
                        out.collect(n);
                    }
                }
                SENT.incrementAndGet();
            }
            while (!cancelled) {
                Thread.sleep(5);
            }
        }

        @Override
        public void cancel() {
            cancelled = true;
        }
    }
}

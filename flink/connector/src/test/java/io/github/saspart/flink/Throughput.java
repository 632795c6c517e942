package io.github.saspart.flink;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.functions.Partitioner;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.ChainingStrategy;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.api.transformations.PhysicalTransformation;
import org.apache.flink.streaming.api.windowing.assigners.SlidingEventTimeWindows;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.util.MathUtils;

/**
 * Prints the cost of the connector with next to no work per record. The same source and the same counting
 * run behind keyBy, behind partitionCustom by hash, and behind the connector with the partitioner hash,
 * without a server and with one to observe for. There are several rounds of all, and each is compared with
 * partitionCustom and with keyBy in the same round. CPU time covers the whole process; other processes
 * disturb it least.
 *
 * <p>Arguments: records, rounds, workers, names of ways.
 */
public final class Throughput {
    /** 10,000 keys by Zipf's law with exponent 1: as often in the table as in the stream. */
    private static final String[] KEYS = new String[1 << 16];

    static {
        double sum = 0;
        for (int i = 1; i <= 10_000; i++) {
            sum += 1.0 / i;
        }
        double until = 0;
        int filled = 0;
        for (int i = 1; i <= 10_000; i++) {
            String key = "key-" + i;
            until += 1.0 / i / sum;
            while (filled < Math.min(KEYS.length, Math.round(until * KEYS.length))) {
                KEYS[filled++] = key;
            }
        }
    }

    /** Rounds until compiled code is what runs. */
    private static final int WARM_UPS = 2;

    private Throughput() {}

    /** Measures. */
    public static void main(String[] args) throws Exception {
        long records = args.length > 0 ? Long.parseLong(args[0]) : 5_000_000;
        int rounds = args.length > 1 ? Integer.parseInt(args[1]) : 5;
        int workers = args.length > 2 ? Integer.parseInt(args[2]) : 4;
        List<String> ways = args.length > 3
                ? Arrays.asList(args).subList(3, args.length)
                : List.of(
                        "custom", "keyBy", "partition", "partition-server",
                        "custom-window", "keyBy-window", "aggregate", "aggregate-server");
        Map<String, double[][]> measured = new HashMap<>(); // by way and round: records/s, ns of CPU per record
        try (Cluster cluster = new Cluster("32kb", "16mb")) {
            for (int round = -WARM_UPS; round < rounds; round++) {
                for (String way : ways) {
                    double[] m = run(cluster, way, records, workers);
                    if (round >= 0) {
                        measured.computeIfAbsent(way, w -> new double[rounds][])[round] = m;
                    }
                }
                System.err.println(round < 0 ? "warming up" : "round " + (round + 1) + " of " + rounds);
            }
        }
        System.out.printf("%d rounds of %d records, %d workers: median (least to most)%n", rounds, records, workers);
        System.out.printf(
                "%-17s %-24s %-18s %-33s %s%n",
                "way", "million records/s", "CPU ns/record", "to partitionCustom: records/s, CPU", "to keyBy: records/s, CPU");
        for (String way : ways) {
            double[][] m = measured.get(way);
            String window = way.contains("aggregate") || way.contains("window") ? "-window" : "";
            System.out.printf(
                    "%-17s %-24s %-18s %-33s %s%n",
                    way,
                    spread("%.2f", round -> m[round][0] / 1e6, rounds),
                    spread("%.0f", round -> m[round][1], rounds),
                    ratios(m, measured.get("custom" + window)),
                    ratios(m, measured.get("keyBy" + window)));
        }
    }

    /** How one way compares with another, round by round. */
    private static String ratios(double[][] of, double[][] to) {
        return to == null || to == of
                ? ""
                : spread("%.2f", round -> of[round][0] / to[round][0], of.length) + ", "
                        + spread("%.2f", round -> of[round][1] / to[round][1], of.length);
    }

    private static String spread(String format, IntToDoubleFunction value, int rounds) {
        double[] sorted = IntStream.range(0, rounds).mapToDouble(value).sorted().toArray();
        double median = (sorted[rounds / 2] + sorted[(rounds - 1) / 2]) / 2;
        return String.format(format + " (" + format + " to " + format + ")", median, sorted[0], sorted[rounds - 1]);
    }

    /** Records/s, and CPU time of the whole process per record, ns, which other processes disturb less. */
    private static double[] run(Cluster cluster, String way, long records, int workers) throws Exception {
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        env.setParallelism(workers);
        env.getConfig().enableObjectReuse();
        TypeInformation<Tuple2<String, Long>> type = Types.TUPLE(Types.STRING, Types.LONG);
        DataStream<Tuple2<String, Long>> stream = env.fromSource(
                        new NumberSequenceSource(0, records - 1),
                        WatermarkStrategy.<Long>forMonotonousTimestamps()
                                .withTimestampAssigner((n, before) -> n % (records / 2) / 1000),
                        "numbers")
                .setParallelism(2)
                .map(n -> Tuple2.of(KEYS[(int) (Fixtures.mix(n) >>> 48)], n))
                .returns(type)
                .setParallelism(2);
        KeySelector<Tuple2<String, Long>, String> key = t -> t.f0;
        WindowSpec window = WindowSpec.sliding(Duration.ofMillis(1000), Duration.ofMillis(500));
        SaspartOptions options = SaspartOptions.builder("bench", workers)
                .partitioner("hash")
                .server(way.endsWith("-server") ? "127.0.0.1:1" : "")
                .build();
        switch (way) {
            case "keyBy":
                counted(stream.keyBy(key), new Count());
                break;
            case "custom":
                counted(stream.partitionCustom(new ByHash(), key), new Count());
                break;
            case "partition":
            case "partition-server":
                counted(Saspart.partition(stream, key, options), new Count());
                break;
            case "custom-window":
                counted(stream.partitionCustom(new ByHash(), key), new CountPanes());
                break;
            case "keyBy-window":
                stream.keyBy(key)
                        .window(SlidingEventTimeWindows.of(
                                Duration.ofMillis(1000), Duration.ofMillis(500)))
                        .aggregate(new Counting())
                        .sinkTo(new DiscardingSink<>());
                break;
            default:
                Saspart.aggregate(stream, key, new Counting(), window, options).sinkTo(new DiscardingSink<>());
        }
        OperatingSystemMXBean process = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        long begin = System.nanoTime();
        long cpu = process.getProcessCpuTime();
        cluster.await(cluster.start(env, null));
        return new double[] {
            records * 1e9 / (System.nanoTime() - begin), (process.getProcessCpuTime() - cpu) / (double) records
        };
    }

    /** Counts a stream by an operator that may be chained to what sends to it, as functions of the DataStream API are. */
    private static <T> void counted(DataStream<T> stream, OneInputStreamOperator<T, Long> counter) {
        SingleOutputStreamOperator<Long> counts = stream.transform("count", Types.LONG, counter);
        ((PhysicalTransformation<Long>) counts.getTransformation()).setChainingStrategy(ChainingStrategy.ALWAYS);
        counts.sinkTo(new DiscardingSink<>());
    }

    /** Flink's own way to hash keys. */
    private static final class ByHash implements Partitioner<String> {
        private static final long serialVersionUID = 1;

        @Override
        public int partition(String key, int workers) {
            return MathUtils.murmurHash(key.hashCode()) % workers;
        }
    }

    /** Counts records. */
    private static final class Count extends AbstractStreamOperator<Long>
            implements OneInputStreamOperator<Tuple2<String, Long>, Long> {
        private static final long serialVersionUID = 1;

        private long count;

        @Override
        public void processElement(StreamRecord<Tuple2<String, Long>> record) {
            if (++count % 1_000_000 == 0) {
                output.collect(new StreamRecord<>(count));
            }
        }
    }

    /** Counts records by key and slide, in maps, and drops them when they are old. */
    private static final class CountPanes extends AbstractStreamOperator<Long>
            implements OneInputStreamOperator<Tuple2<String, Long>, Long> {
        private static final long serialVersionUID = 1;

        private transient TreeMap<Long, HashMap<String, long[]>> slides;

        @Override
        public void open() {
            slides = new TreeMap<>();
        }

        @Override
        public void processElement(StreamRecord<Tuple2<String, Long>> record) {
            slides.computeIfAbsent(record.getTimestamp() / 500, s -> new HashMap<>())
                    .computeIfAbsent(record.getValue().f0, k -> new long[1])[0]++;
        }

        @Override
        public void processWatermark(Watermark mark) throws Exception {
            slides.headMap(mark.getTimestamp() / 500 - 1).clear();
            super.processWatermark(mark);
        }
    }

    /** Counts records. */
    private static final class Counting implements AggregateFunction<Tuple2<String, Long>, long[], Long> {
        private static final long serialVersionUID = 1;

        @Override
        public long[] createAccumulator() {
            return new long[1];
        }

        @Override
        public long[] add(Tuple2<String, Long> value, long[] count) {
            count[0]++;
            return count;
        }

        @Override
        public Long getResult(long[] count) {
            return count[0];
        }

        @Override
        public long[] merge(long[] a, long[] b) {
            a[0] += b[0];
            return a;
        }
    }
}

package io.github.saspart.flink;

import java.io.Serializable;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.windowing.assigners.SlidingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.assigners.WindowAssigner;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;

/** Streams, aggregate functions and their single-threaded results for tests. */
public final class Fixtures {
    /** Sources that the numbers are dealt out to, each a range of its own. */
    static final int SPLITS = 2;
    /** Records of one source per ms of event time. */
    static final int PER_MILLI = 4;
    /** By how much records come out of order, ms. */
    static final int JITTER_MILLIS = 30;

    private Fixtures() {}

    /**
     * Numbers from 0 on as records: key, event time and value follow from the number alone. Sources are
     * equally far at every time, and their records out of order.
     */
    static final class Numbers implements Serializable {
        private static final long serialVersionUID = 1;

        final long count;
        private final int keys;

        Numbers(long count, int keys) {
            this.count = count;
            this.keys = keys;
        }

        /** One in three records is of one key, one in nine of the next and so on; half of the rest are of any. */
        String key(long number) {
            long random = mix(number);
            if ((random >>> 50 & 1) == 0) {
                return "k" + Math.min(keys - 1, Long.numberOfTrailingZeros(random | 1L << 40));
            }
            return "k" + Long.remainderUnsigned(random >>> 3, keys);
        }

        long time(long number) {
            long within = number % (count / SPLITS);
            return 1_000 + within / PER_MILLI + (mix(number) >>> 60) * JITTER_MILLIS / 16;
        }

        DataStream<Long> stream(StreamExecutionEnvironment env, Throttle throttle) {
            return env.fromSource(
                            new NumberSequenceSource(0, count - 1),
                            WatermarkStrategy.<Long>forBoundedOutOfOrderness(Duration.ofMillis(JITTER_MILLIS))
                                    .withTimestampAssigner((number, before) -> time(number)),
                            "numbers")
                    .uid("numbers")
                    .setParallelism(SPLITS)
                    .map(throttle)
                    .returns(Long.class)
                    .uid("throttle")
                    .setParallelism(SPLITS);
        }

        KeySelector<Long, String> keys() {
            return this::key;
        }

        /** The results of a single thread, by key and window end. */
        <ACC, OUT> Map<String, OUT> expect(AggregateFunction<Long, ACC, OUT> function, WindowSpec window) {
            return expect(function, window, count);
        }

        /** Those of the numbers below {@code end}. */
        <ACC, OUT> Map<String, OUT> expect(AggregateFunction<Long, ACC, OUT> function, WindowSpec window, long end) {
            Map<String, TreeMap<Long, ACC>> windows = new HashMap<>();
            WindowAssigner<Object, TimeWindow> flinks = SlidingEventTimeWindows.of(
                    Duration.ofMillis(window.panes() * window.paneMillis()),
                    Duration.ofMillis(window.step() * window.paneMillis()),
                    Duration.ofMillis(window.offsetMillis()));
            for (long n = 0; n < end; n++) {
                TreeMap<Long, ACC> of = windows.computeIfAbsent(key(n), k -> new TreeMap<>());
                for (TimeWindow in : flinks.assignWindows(n, time(n), null)) {
                    long at = in.getEnd();
                    of.put(at, function.add(n, of.containsKey(at) ? of.get(at) : function.createAccumulator()));
                }
            }
            Map<String, OUT> results = new HashMap<>();
            windows.forEach((key, of) -> of.forEach((at, sum) -> results.put(key + "@" + at, function.getResult(sum))));
            return results;
        }
    }

    static long mix(long n) {
        long h = (n + 1) * 0x9e3779b97f4a7c15L;
        h = (h ^ h >>> 30) * 0xbf58476d1ce4e5b9L;
        h = (h ^ h >>> 27) * 0x94d049bb133111ebL;
        return h ^ h >>> 31;
    }

    /** Lets records pass at a bounded rate, and fails once on request. */
    static final class Throttle extends RichMapFunction<Long, Long> {
        private static final long serialVersionUID = 1;

        /** Records that have passed, of all subtasks and attempts; static as tests are in the same process. */
        static final AtomicLong PASSED = new AtomicLong();

        private static volatile boolean off;

        private final int perMilli; // 0: no bound
        private final long failAt; // records after which a subtask fails, in the first attempt; 0: never
        private transient long passed;

        Throttle(int perMilli, long failAt) {
            this.perMilli = perMilli;
            this.failAt = failAt;
        }

        /** Counts anew. */
        static void reset() {
            PASSED.set(0);
            off = false;
        }

        /** Lets all that run go as fast as they can. */
        static void off() {
            off = true;
        }

        @Override
        public Long map(Long number) throws Exception {
            passed++;
            PASSED.incrementAndGet();
            if (perMilli > 0 && !off && passed % perMilli == 0) {
                Thread.sleep(1);
            }
            if (failAt > 0 && passed == failAt && getRuntimeContext().getTaskInfo().getAttemptNumber() == 0) {
                throw new IllegalStateException("this subtask was told to fail");
            }
            return number;
        }
    }

    /** Sum and count of numbers; merges into either of the accumulators, and spoils the other one. */
    public static final class SumAndCount implements AggregateFunction<Long, long[], String> {
        private static final long serialVersionUID = 1;

        @Override
        public long[] createAccumulator() {
            return new long[2];
        }

        @Override
        public long[] add(Long value, long[] sum) {
            sum[0] += value;
            sum[1]++;
            return sum;
        }

        @Override
        public String getResult(long[] sum) {
            return sum[0] + "/" + sum[1];
        }

        @Override
        public long[] merge(long[] a, long[] b) {
            long[] to = (a[0] + b[0]) % 2 == 0 ? a : b;
            long[] from = to == a ? b : a;
            to[0] += from[0];
            to[1] += from[1];
            from[0] = from[1] = -1_000_000;
            return to;
        }
    }

    /** Counts numbers. */
    public static class Counting implements AggregateFunction<Long, Long, Long> {
        private static final long serialVersionUID = 1;

        @Override
        public Long createAccumulator() {
            return 0L;
        }

        @Override
        public Long add(Long value, Long count) {
            return count + 1;
        }

        @Override
        public Long getResult(Long count) {
            return count;
        }

        @Override
        public Long merge(Long a, Long b) {
            return a + b;
        }
    }

    /** A sketch of distinct values: of each of 16 parts of the hashes the longest run of zeros. */
    public static final class Distinct implements AggregateFunction<Long, byte[], String> {
        private static final long serialVersionUID = 1;

        @Override
        public byte[] createAccumulator() {
            return new byte[16];
        }

        @Override
        public byte[] add(Long value, byte[] longest) {
            long hash = mix(~value);
            int part = (int) (hash & 15);
            longest[part] = (byte) Math.max(longest[part], 1 + Long.numberOfLeadingZeros(hash));
            return longest;
        }

        @Override
        public String getResult(byte[] longest) {
            return Arrays.toString(longest);
        }

        @Override
        public byte[] merge(byte[] a, byte[] b) {
            for (int i = 0; i < a.length; i++) {
                a[i] = (byte) Math.max(a[i], b[i]);
                b[i] = 99;
            }
            return a;
        }
    }
}

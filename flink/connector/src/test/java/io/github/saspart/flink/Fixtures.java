package io.github.saspart.flink;

import org.apache.flink.api.common.functions.AggregateFunction;

/** Aggregate functions for tests, as unfriendly as their contract allows. */
public final class Fixtures {
    private Fixtures() {}

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
}

package io.github.saspart.flink.internal;

import org.apache.flink.api.common.functions.AggregateFunction;

/** Merges accumulators by a job's function, and refuses functions that cannot. */
public final class Merger {
    private Merger() {}

    /** The two as one. {@code uid} names the use in the message of a function that cannot merge. */
    static <ACC> ACC merge(AggregateFunction<?, ACC, ?> function, ACC a, ACC b, String uid) {
        ACC merged = function.merge(a, b);
        if (merged == null) {
            throw new IllegalStateException(refusal(function, uid, "returned null"));
        }
        return merged;
    }

    /**
     * Tries a function on two empty accumulators before the job starts.
     *
     * @throws IllegalArgumentException if it does not merge them. What else a function throws for empty
     *     accumulators is no reason: it may never get any.
     */
    public static <ACC> void check(AggregateFunction<?, ACC, ?> function, String uid) {
        ACC merged;
        try {
            merged = function.merge(function.createAccumulator(), function.createAccumulator());
        } catch (UnsupportedOperationException e) {
            throw new IllegalArgumentException(refusal(function, uid, "is not supported"), e);
        } catch (RuntimeException e) {
            return; // only a real record can tell
        }
        if (merged == null) {
            throw new IllegalArgumentException(refusal(function, uid, "returns null"));
        }
    }

    private static String refusal(AggregateFunction<?, ?, ?> function, String uid, String fault) {
        return uid + ": merge of " + function.getClass().getName() + " " + fault + "; the records of a heavy key are"
                + " aggregated by several workers, and those of a window by slide, so accumulators must be mergeable";
    }
}

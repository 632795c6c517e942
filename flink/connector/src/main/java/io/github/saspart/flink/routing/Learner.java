package io.github.saspart.flink.routing;

/** A {@link Router} that learns from measured busy ratios ({@code dalton-metrics}). */
public interface Learner {
    /**
     * Takes in a metric window that has just ended.
     *
     * @param busy the busy ratio of every worker, from 0 to 1; NaN where it is missing. The array
     *     is not kept
     */
    void observe(double[] busy);
}

package io.github.saspart.flink.routing;

/**
 * {@code dalton-metrics}: {@code dalton-original} with rewards from measured busy ratios instead of
 * record counts, so that it can see slow workers. maxSplit plays no part in it.
 */
final class DaltonMetricsRouter extends DaltonRouter implements Learner {
    private final double[] rewards; // by worker

    DaltonMetricsRouter(Options options, Env env) {
        super(options, env);
        rewards = new double[env.workers];
    }

    @Override
    double reward(Arms a, KnownKey k, int w) {
        return rewards[w];
    }

    /**
     * From now on the reward of worker w is (mean-busy[w])/max(mean,busy[w]), in -1..1; a worker
     * whose busy ratio is missing counts as saturated. A window of another number of workers is
     * ignored.
     */
    @Override
    public void observe(double[] busy) {
        if (busy.length != rewards.length) {
            return;
        }
        double sum = 0;
        for (double b : busy) {
            sum += saturatedIfMissing(b);
        }
        double mean = sum / rewards.length;
        for (int w = 0; w < rewards.length; w++) {
            double b = saturatedIfMissing(busy[w]);
            double most = Math.max(mean, b);
            rewards[w] = most > 0 ? (mean - b) / most : 0;
        }
    }

    private static double saturatedIfMissing(double busy) {
        return Double.isNaN(busy) ? 1 : busy;
    }
}

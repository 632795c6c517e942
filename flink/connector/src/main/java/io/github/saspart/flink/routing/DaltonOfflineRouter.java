package io.github.saspart.flink.routing;

import java.util.Arrays;
import java.util.List;

/**
 * {@code dalton-offline}, the bandit under which the reference collects its offline data; as in the Go
 * module, where rule, constants and deviations are written down.
 *
 * <p>Every true hot key has a value Q[w] for each worker that the mask allows it. A record of it goes
 * to a worker drawn from softmax(Q/temperature), at temperature 0 to the one with the greatest Q (of
 * equals the first); with probability epsilon to a random allowed one. Q then moves towards
 * (1-score)/2, the score being how far the worker's records of the metric window are above the mean.
 * Hot keys past the true hot ones go to a random worker, cold ones by slot. The first slide with
 * records goes by slot.
 */
final class DaltonOfflineRouter implements Router {
    private final Options.DaltonOffline options;
    private final boolean publishedMask;
    private final int workers;
    private final int merge;
    private final int slots; // that cold keys fall in
    private final int slides; // in an aggregation window
    private final int steps; // that empty loads
    private final Pcg random;
    private final SlideClock clock = new SlideClock();
    private final SlideLoads loads;
    private final SpaceSaving sketch; // of the current slide
    private final Ranks ranks;

    DaltonOfflineRouter(Options options, Env env) {
        this.options = options.daltonOffline;
        publishedMask = options.published || options.daltonOffline.mask.published;
        workers = env.workers;
        merge = workers == 1 ? 0 : MERGE;
        slides = env.windowSlides;
        steps = env.metricSlides + 1;
        slots = Route.slotCount(workers);
        random = Pcg.of(env, "dalton-offline");
        loads = new SlideLoads(workers, env.metricSlides);
        sketch = new SpaceSaving(options.daltonOffline.counters);
        ranks = new Ranks(options.daltonOffline, workers);
    }

    @Override
    public int route(long hash, byte[] key, int offset, int length) {
        sketch.count(hash);
        RankedKey k = ranks.find(hash);
        int w = Route.slotOf(hash, slots) % workers;
        if (k == null) {
            loads.add(w);
            return w;
        }
        boolean several = k.mixed >= clock.now();
        if (!k.hot) {
            loads.add(w);
        } else if (k.allowed.length == 0) { // hot, but not truly
            w = random.nextInt(workers);
            several = true;
            loads.add(w);
        } else {
            int arm = choose(k);
            w = k.allowed[arm];
            loads.add(w);
            k.learn(arm, reward(w), options.learningRate);
            several |= k.allowed.length > 1;
        }
        return several ? w | merge : w;
    }

    /** Picks one of the key's allowed workers, by its place among them. */
    private int choose(RankedKey k) {
        if (k.allowed.length == 1) {
            return 0;
        }
        if (random.nextDouble() >= 1 - options.epsilon) {
            return random.nextInt(k.allowed.length);
        }
        return k.exploit(random);
    }

    /** Rates the worker that a record was just sent to. */
    private double reward(int w) {
        double load = loads.load[w];
        double mean = loads.total() / workers;
        double score = (load - mean) / (1e-4 + Math.max(load, mean));
        return (1 - score) / 2;
    }

    @Override
    public void endSlide(long slide) {
        for (int n = clock.passed(slide, steps); n > 0; n--) {
            loads.endSlide();
        }
        if (sketch.total() > 0) {
            if (ranks.measure(sketch)) {
                remask();
            }
            sketch.reset();
        }
        ranks.forget(clock.now());
    }

    /** Gives the ranked keys the workers of a new mask. What a key has learned stays. */
    private void remask() {
        int[][] mask = HotMask.allowed(
                ranks.settle(), workers, options.mask.spread, options.mask.trueHot, publishedMask);
        List<RankedKey> keys = ranks.keys();
        for (int i = 0; i < keys.size(); i++) {
            RankedKey k = keys.get(i);
            boolean hot = i < ranks.hot();
            int[] allowed = hot && i < mask.length ? mask[i] : RankedKey.NONE;
            if (hot == k.hot && Arrays.equals(allowed, k.allowed)) {
                continue;
            }
            k.hot = hot;
            // The slide that just ended shares windows with the slides up to this one.
            k.mixed = clock.now() + slides - 2;
            k.allow(allowed, workers);
        }
    }
}

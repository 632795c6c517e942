package io.github.saspart.flink.routing;

/**
 * {@code cam}, cardinality-aware partitioning (Katsipoulakis, Labrinidis, Chrysanthis: A holistic
 * view of stream partitioning costs, PVLDB 2017). A key goes to the hash choice that has seen it in the
 * aggregation window, the first before the second. A new key goes to the choice with fewer records in
 * the window, of equals to the second. So a key stays where it is while its state lives, and new keys
 * level the load.
 *
 * <p>In the public code neither the keys seen nor the loads ever expire, so that a key is stuck for
 * ever; that is {@code published}.
 *
 * <p>One router never sends a key to two workers within an aggregation window, so a single subtask
 * needs no merge. Several subtasks choose separately; then every key with two choices is marked.
 */
final class CamRouter implements Router {
    private final int workers;
    private final int window; // slides that a sighting counts for, unsigned
    private final int steps; // that empty the loads
    private final int merge; // for keys with two different choices
    private final SlideClock clock = new SlideClock();
    private final SlideLoads loads;
    private final SeenKeys seen = new SeenKeys(KeyCounts.SLOTS);

    CamRouter(Options options, Env env) {
        workers = env.workers;
        window = options.published ? -1 : env.windowSlides;
        steps = env.windowSlides + 1;
        merge = env.subtasks > 1 ? MERGE : 0;
        loads = new SlideLoads(workers, options.published ? 0 : env.windowSlides);
    }

    @Override
    public int route(long hash, byte[] key, int offset, int length) {
        int first = PkgRouter.choice(hash, 0, workers);
        int second = PkgRouter.choice(hash, 1, workers);
        if (first == second) {
            loads.add(first);
            return first;
        }
        int now = (int) clock.now() + 1;
        int at = seen.find(hash, now, window);
        boolean toFirst = seen.alive(at, 0, now, window)
                || !seen.alive(at, 1, now, window) && loads.load[first] < loads.load[second];
        seen.sight(at, toFirst ? 0 : 1, now);
        int to = toFirst ? first : second;
        loads.add(to);
        return to | merge;
    }

    @Override
    public void endSlide(long slide) {
        for (int n = clock.passed(slide, steps); n > 0; n--) {
            loads.endSlide();
        }
    }
}

package io.github.saspart.flink.routing;

import java.util.Arrays;

/**
 * {@code dagreedy}, the greedy that Dalton is compared with (Zapridou, Mytilinis, Ailamaki: Dalton:
 * Learned partitioning for distributed data streams, PVLDB 2023), as in the Go module, where rule,
 * constants and deviations are written down.
 *
 * <p>A hot record goes to the worker with the greatest a*[the key is already there] -
 * (1-a)*(load-avg)/avg. Only two workers can be the maximum: s, the lightest that has the key, and b,
 * the lightest of all. s wins if (1-a)*(load[s]-load[b]) is below a*avg.
 */
final class DaGreedyRouter implements Router {
    /** Bounds the keys known at once: what a divisor of 100 needs at P 64, twice over. */
    private static final int KEYS = 1 << 14;

    private final double affinity;
    private final int workers;
    private final int merge;
    private final SlideLoads loads;
    private final Lightest all;
    private final HotKeys hot;
    private Spread[] spreads = new Spread[0]; // by entry of hot

    /** Where a known key is. */
    private static final class Spread {
        final Lightest at = Lightest.ofNone();
        long term = -1; // of the entry, that at belongs to
    }

    DaGreedyRouter(Options options, Env env) {
        affinity = options.daGreedy.affinity;
        workers = env.workers;
        merge = workers == 1 ? 0 : MERGE;
        loads = new SlideLoads(workers, env.windowSlides);
        all = Lightest.ofAll(workers);
        double divisor = options.daGreedy.divisor * workers;
        hot = new HotKeys(workers, env.windowSlides, divisor, KEYS, options.published);
    }

    @Override
    public int route(long hash, byte[] key, int offset, int length) {
        KnownKey k = hot.see(hash);
        int w = Bits.mod(hash, workers);
        if (k == null) {
            loads.add(w);
            return w;
        }
        Lightest at = spreadOf(k);
        if (hot.isHot(k)) {
            w = pick(at);
        }
        if (hot.mark(k, w)) {
            at.add(w, loads.load);
        }
        loads.add(w);
        return w | merge;
    }

    /** Applies the rule to a key that is at these workers. */
    private int pick(Lightest at) {
        double[] load = loads.load;
        int b = all.min(load);
        if (at.size() == 0) {
            return b;
        }
        int s = at.min(load);
        double stay = affinity * loads.total();
        double move = (1 - affinity) * (load[s] - load[b]) * workers;
        return move < stay || move == stay && s < b ? s : b;
    }

    /**
     * The workers of a known key: collected anew if the entry was given to another key, or its key
     * became hot again, since it was last asked for.
     */
    private Lightest spreadOf(KnownKey k) {
        if (k.number >= spreads.length) {
            grow();
        }
        Spread s = spreads[k.number];
        if (s.term != k.term) {
            s.term = k.term;
            s.at.set(k.at, loads.load);
        }
        return s.at;
    }

    private void grow() {
        int from = spreads.length;
        spreads = Arrays.copyOf(spreads, hot.entries());
        for (int i = from; i < spreads.length; i++) {
            spreads[i] = new Spread();
        }
    }

    @Override
    public void endSlide(long slide) {
        for (int steps = hot.ahead(slide); steps > 0; steps--) {
            loads.endSlide();
        }
        hot.endSlide(slide);
        all.refresh(loads.load);
        for (int i = 0; i < spreads.length; i++) {
            if (hot.entry(i).live) {
                spreads[i].at.set(hot.entry(i).at, loads.load);
            }
        }
    }
}

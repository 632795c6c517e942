package io.github.saspart.flink.routing;

import java.util.Arrays;

/**
 * {@code flexd}: a hot key's set of workers grows with its frequency; as in the Go module, where
 * rule, constants and deviations are written down.
 *
 * <p>A key's frequency is its share of the records since the last refresh. Below the threshold it is
 * cold and goes by hash. A hot key begins with the lightest worker of all and a bar. Whenever its
 * frequency exceeds the bar, the record goes to the lightest worker outside its set, which joins the
 * set, and the bar rises; otherwise to the lightest in its set.
 */
final class FlexDRouter implements Router {
    /** Bounds the keys that are hot in one refresh interval. */
    private static final int KEYS = 4096;

    private final Options.FlexD options;
    private final boolean published;
    private final int workers;
    private final int merge;
    private final int slides; // in an aggregation window
    private final long every; // slides between refreshes
    private final SlideClock clock = new SlideClock();
    private int row;

    private final KeyCounts counts = new KeyCounts(KeyCounts.SLOTS);
    private double total;
    private double frozen = Double.POSITIVE_INFINITY; // published: where counting stops
    private final SlideLoads loads;
    private final Lightest all;
    private final HashIndex index = new HashIndex();
    private Key[] keys = new Key[0];
    private int used; // entries of keys that exist
    private int[] free = new int[0]; // a stack of entries
    private int freed;
    private final boolean[] members; // scratch, by worker

    /** A key that is or was hot. */
    private static final class Key {
        final int number;
        final Lightest set = Lightest.ofNone(); // its workers
        final WorkerSet at; // where it went within the window
        long hash;
        boolean live;
        double bar; // 0: not hot since the refresh

        Key(int number, WorkerSet at) {
            this.number = number;
            this.at = at;
        }
    }

    FlexDRouter(Options options, Env env) {
        this.options = options.flexD;
        published = options.published;
        workers = env.workers;
        merge = workers == 1 ? 0 : MERGE;
        slides = env.windowSlides;
        every = Math.max(1, (options.flexD.refreshNanos - 1) / env.slideNanos + 1);
        loads = new SlideLoads(workers, 2);
        all = Lightest.ofAll(workers);
        members = new boolean[workers];
    }

    @Override
    public int route(long hash, byte[] key, int offset, int length) {
        double frequency = frequency(hash);
        int w = Bits.mod(hash, workers);
        Key k = find(hash, frequency);
        if (k == null) {
            loads.add(w);
            return w;
        }
        if (frequency >= options.threshold) {
            w = pick(k, frequency);
        }
        k.at.mark(w, row);
        loads.add(w);
        return w | merge;
    }

    /** Counts a record of the key and returns the key's share of the records before it. */
    private double frequency(long hash) {
        double before = Math.min(counts.inc(hash) - 1, frozen);
        double of = total++;
        if (!published) {
            of = Math.max(of, options.settle);
        }
        return before / Math.max(of, 1);
    }

    /** The key's entry; a hot key is given one if there is any left. Null if it has none. */
    private Key find(long hash, double frequency) {
        int k = index.get(hash);
        if (k >= 0) {
            return keys[k];
        }
        return frequency >= options.threshold ? admit(hash) : null;
    }

    /** Applies the rule to a hot key. */
    private int pick(Key k, double frequency) {
        double[] load = loads.load;
        if (k.bar == 0) {
            k.bar = published ? frequency : options.threshold;
            int w = all.min(load);
            k.set.add(w, load);
            return w;
        }
        if (frequency <= k.bar) {
            return k.set.min(load);
        }
        k.bar *= options.growth;
        if (k.set.size() == workers) {
            return all.min(load);
        }
        int w = lightestOutside(k.set);
        k.set.add(w, load);
        return w;
    }

    /** The lightest worker that is not in the set; there is one. */
    private int lightestOutside(Lightest set) {
        Arrays.fill(members, false);
        for (int i = 0; i < set.size(); i++) {
            members[set.member(i)] = true;
        }
        double[] load = loads.load;
        int best = -1;
        for (int w = 0; w < workers; w++) {
            if (!members[w] && (best < 0 || load[w] < load[best])) {
                best = w;
            }
        }
        return best;
    }

    /** Gives the key an entry, null if there is none left. */
    private Key admit(long hash) {
        Key k;
        if (freed > 0) {
            k = keys[free[--freed]];
        } else if (used < KEYS) {
            k = grow();
        } else {
            return null;
        }
        k.hash = hash;
        k.live = true;
        k.bar = 0;
        k.set.clear();
        k.at.clear();
        // Its earlier records were cold and went home.
        k.at.mark(Bits.mod(hash, workers), row);
        index.put(hash, k.number);
        return k;
    }

    private Key grow() {
        if (used == keys.length) {
            int size = Math.min(Math.max(32, 2 * used), KEYS);
            keys = Arrays.copyOf(keys, size);
            free = Arrays.copyOf(free, size);
        }
        keys[used] = new Key(used, new WorkerSet(workers, slides, false));
        return keys[used++];
    }

    @Override
    public void endSlide(long slide) {
        long interval = clock.now() / every;
        int steps = clock.passed(slide, slides + 1);
        for (long n = Math.min(2, clock.now() / every - interval); n > 0; n--) {
            refresh();
        }
        for (; steps > 0; steps--) {
            row = (row + 1) % slides;
            for (int i = 0; i < used; i++) {
                if (keys[i].live) {
                    age(keys[i]);
                }
            }
        }
    }

    private void age(Key k) {
        k.at.endSlide(row);
        if (k.bar == 0 && k.at.only(Bits.mod(k.hash, workers))) {
            index.remove(k.hash);
            k.live = false;
            free[freed++] = k.number;
        }
    }

    /** Begins a new interval. */
    private void refresh() {
        if (published) {
            frozen = Math.floor(total / workers) + 1;
        }
        counts.clear();
        total = 0;
        loads.endSlide();
        all.refresh(loads.load);
        for (int i = 0; i < used; i++) {
            keys[i].bar = 0;
            keys[i].set.clear();
        }
    }
}

package io.github.saspart.flink.routing;

import java.util.Arrays;

/**
 * Separates hot keys from cold ones and remembers where hot keys went, for the rules of the Dalton paper
 * (dagreedy, dalton-original, dalton-metrics).
 *
 * <p>A key is hot in a slide once its records exceed the previous slide's total divided by divisor. It
 * stays hot through the next slide. In the first slide no key is hot; a slide without records leaves the
 * threshold unchanged.
 *
 * <p>A key that is hot, or was hot within the aggregation window, is known. It has an entry with the set
 * of its workers since then, and since the beginning of the slide in which it became hot. Entries are
 * recycled and numbered densely, so that routers can keep their values of a key in parallel arrays. There
 * are at most limit entries; a key that would need one more stays cold.
 */
final class HotKeys {
    private final int workers;
    private final int slides;
    private final double divisor;
    private final int limit;
    private final boolean keep;

    private final SlideClock clock = new SlideClock();
    private int row; // the current slide's row of every entry's ring
    private double threshold = Double.POSITIVE_INFINITY; // records in a slide that make a key hot
    private double total; // records of the current slide
    private int hot; // entries that are hot
    private long terms; // last term given out

    private final KeyCounts counts = new KeyCounts(KeyCounts.SLOTS); // unknown keys of the slide
    private int sketchFrom; // keys in a slide that begin sketching, 0 never
    private CountMin sketch; // counts unknown keys instead, once sketching
    private boolean sketching;

    private final HashIndex index = new HashIndex();
    private KnownKey[] keys = new KnownKey[0];
    private int[] free = new int[0]; // a stack of entries
    private int freed;

    /**
     * Knows no key yet.
     *
     * @param slides in an aggregation window
     * @param divisor of a slide's total, giving the threshold
     * @param limit of entries
     * @param keep published: what the rule knows of a key never expires
     */
    HotKeys(int workers, int slides, double divisor, int limit, boolean keep) {
        this.workers = workers;
        this.slides = slides;
        this.divisor = divisor;
        this.limit = limit;
        this.keep = keep;
    }

    /** From the first slide with that many unknown keys on, counts those by sketch; 0 never. */
    void sketchFrom(int keys, CountMin sketch) {
        sketchFrom = keys;
        this.sketch = sketch;
    }

    /** The current slide. */
    long now() {
        return clock.now();
    }

    /** How many keys are hot. */
    int hot() {
        return hot;
    }

    /** The number of entries, in use or not: above every entry's number. */
    int entries() {
        return keys.length;
    }

    /** The entry of that number. */
    KnownKey entry(int number) {
        return keys[number];
    }

    /** Counts a record of the key and returns its entry, null if it is unknown, and therefore cold. */
    KnownKey see(long hash) {
        total++;
        int k = index.get(hash);
        if (k >= 0) {
            KnownKey e = keys[k];
            e.count++;
            if (e.count > threshold) {
                heat(e, clock.now() + 1);
            }
            return e;
        }
        long n = sketching ? sketch.inc(hash) : counts.inc(hash);
        if (n <= threshold) {
            return null;
        }
        KnownKey e = admit(hash);
        if (e == null) {
            return null;
        }
        e.count = n;
        heat(e, clock.now() + 1);
        if (n > 1) {
            // Its earlier records of this slide were cold and went home.
            mark(e, e.home);
        }
        return e;
    }

    /** The key's entry, null if it is unknown. */
    KnownKey find(long hash) {
        int k = index.get(hash);
        return k < 0 ? null : keys[k];
    }

    /** Whether the key is hot in the current slide. */
    boolean isHot(KnownKey e) {
        return e.until >= clock.now();
    }

    /** Makes the key hot up to and including slide until. */
    void heat(KnownKey e, long until) {
        if (!isHot(e)) {
            e.term = ++terms;
            hot++;
        }
        e.until = Math.max(e.until, until);
    }

    /** Gives the key an entry, cold and nowhere; null if there is none left. */
    KnownKey admit(long hash) {
        if (freed == 0) {
            grow();
        }
        if (freed == 0) {
            return null;
        }
        KnownKey e = keys[free[--freed]];
        e.admit(hash, Bits.mod(hash, workers), clock.now());
        index.put(hash, e.number);
        return e;
    }

    /** Doubles the entries, up to the limit. */
    private void grow() {
        int from = keys.length;
        int n = Math.min(Math.max(32, from), limit - from);
        keys = Arrays.copyOf(keys, from + n);
        free = Arrays.copyOf(free, from + n);
        for (int k = from + n - 1; k >= from; k--) { // the lowest number is handed out first
            keys[k] = new KnownKey(k, new WorkerSet(workers, slides, keep));
            free[freed++] = k;
        }
    }

    /** Notes that the key went to a worker, and returns whether the rule did not know it. */
    boolean mark(KnownKey e, int worker) {
        return e.at.mark(worker, row);
    }

    /**
     * How many slides an end of that one will be, at most as many as leave nothing to forget. To be
     * asked before {@link #endSlide}.
     */
    int ahead(long slide) {
        return clock.ahead(slide, slides + 2);
    }

    /**
     * Ages everything; the entries whose keys have been cold, at home alone, for a whole aggregation
     * window are freed. O(known keys x P/64).
     */
    void endSlide(long slide) {
        for (int steps = clock.passed(slide, slides + 2); steps > 0; steps--) {
            if (total > 0) {
                threshold = total / divisor;
            }
            if (sketchFrom > 0 && counts.size() >= sketchFrom) {
                sketching = true;
            }
            total = 0;
            counts.clear();
            if (sketching) {
                sketch.clear();
            }
            row = (row + 1) % slides;
            hot = 0;
            // Published: what is known of a cold key is only given up for room.
            boolean spare = !keep || keys.length >= limit && freed == 0;
            for (KnownKey e : keys) {
                if (e.live) {
                    age(e, spare);
                }
            }
        }
    }

    private void age(KnownKey e, boolean spare) {
        e.last = e.count;
        e.count = 0;
        e.at.endSlide(row);
        if (isHot(e)) {
            hot++;
        } else if (spare && e.at.only(e.home)) {
            index.remove(e.hash);
            e.live = false;
            free[freed++] = e.number;
        }
    }
}

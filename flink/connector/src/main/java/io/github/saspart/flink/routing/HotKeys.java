package io.github.saspart.flink.routing;

import java.util.Arrays;

/**
 * Tells hot keys from cold ones and remembers where hot keys went, for the rules of the Dalton paper
 * ({@code dagreedy}, {@code dalton-original}, {@code dalton-metrics}).
 *
 * <p>A key is hot once its records in a slide outnumber the previous slide's total divided by a
 * divisor, and stays so to the end of the slide after the last one in which it did. In the first
 * slide nothing is hot; a slide without records leaves the threshold as it is.
 *
 * <p>A key that is hot, or was within the aggregation window, is known: it has an entry with the set
 * of workers it went to since; of its cold records before that, those of the same slide count.
 * Entries are recycled and numbered densely, so that routers keep what they learn of a key in arrays
 * beside. Their number is limited; a key that would need one more stays cold.
 */
final class HotKeys {
    private final int workers;
    private final int slides;
    private final double divisor;
    private final int limit;
    private final boolean keep;
    private final int sketchFrom;

    private final SlideClock clock = new SlideClock();
    private final KeyCounts counts = new KeyCounts(KeyCounts.SLOTS); // unknown keys in the current slide
    private final CountMin sketch; // counts them instead, once sketching
    private boolean sketching;

    private int row; // the current slide's row of every entry's ring
    private double threshold = Double.POSITIVE_INFINITY; // records in a slide that make a key hot
    private double total; // records of the current slide
    private int hot; // entries that are hot
    private long terms; // last term given out

    private final HashIndex index = new HashIndex();
    private Entry[] entries = {};
    private int[] free = {};
    private int frees;

    /**
     * Knows no key yet.
     *
     * @param slides in an aggregation window
     * @param divisor of a slide's total, giving the threshold
     * @param limit of entries
     * @param keep published: what the rule knows of a key never expires
     */
    HotKeys(int workers, int slides, double divisor, int limit, boolean keep) {
        this(workers, slides, divisor, limit, keep, 0, null);
    }

    /**
     * Knows no key yet.
     *
     * @param sketchFrom a slide with so many unknown keys begins sketching; 0 never does
     * @param sketch counts unknown keys from then on
     */
    HotKeys(int workers, int slides, double divisor, int limit, boolean keep, int sketchFrom, CountMin sketch) {
        this.workers = workers;
        this.slides = slides;
        this.divisor = divisor;
        this.limit = limit;
        this.keep = keep;
        this.sketchFrom = sketchFrom;
        this.sketch = sketch;
    }

    /** A known key. */
    static final class Entry {
        long hash;
        int home; // its worker while it is cold
        boolean live; // the entry is in use
        long term; // a new number each time the key becomes hot
        long until; // the last slide in which it is hot
        double count; // records in the current slide
        double last; // records in the slide before
        final WorkerSet at;

        private Entry(WorkerSet at) {
            this.at = at;
        }
    }

    /** Counts a record of the key and returns its entry's number, -1 if it is unknown, so cold. */
    int see(long hash) {
        total++;
        int k = index.get(hash);
        if (k >= 0) {
            Entry e = entries[k];
            e.count++;
            if (e.count > threshold) {
                heat(e, clock.now() + 1);
            }
            return k;
        }
        double n = sketching ? sketch.inc(hash) : counts.inc(hash);
        if (n <= threshold) {
            return -1;
        }
        k = admit(hash);
        if (k < 0) {
            return -1;
        }
        Entry e = entries[k];
        e.count = n;
        heat(e, clock.now() + 1);
        if (n > 1) {
            mark(k, e.home); // its earlier records of this slide were cold and went home
        }
        return k;
    }

    /** The entry of a known key's number. */
    Entry entry(int k) {
        return entries[k];
    }

    /** How many entries there are, live or not. */
    int size() {
        return entries.length;
    }

    /** The number of a key's entry, -1 if it is unknown. */
    int find(long hash) {
        return index.get(hash);
    }

    /** Whether the entry's key is hot in the current slide. */
    boolean isHot(int k) {
        return entries[k].until >= clock.now();
    }

    /** How many keys are hot. */
    int hot() {
        return hot;
    }

    /** The current slide. */
    long now() {
        return clock.now();
    }

    /** Makes the key hot up to and including slide {@code until}. */
    void heat(Entry e, long until) {
        if (e.until < clock.now()) {
            e.term = ++terms;
            hot++;
        }
        e.until = Math.max(e.until, until);
    }

    /** Gives an unknown key an entry, cold and nowhere; returns its number, -1 if none is left. */
    int admit(long hash) {
        if (frees == 0) {
            grow();
        }
        if (frees == 0) {
            return -1;
        }
        int k = free[--frees];
        Entry e = entries[k];
        e.hash = hash;
        e.home = Bits.mod(hash, workers);
        e.live = true;
        e.term = 0;
        e.until = clock.now() - 1;
        e.count = 0;
        e.last = 0;
        e.at.clear();
        index.put(hash, k);
        return k;
    }

    /** Notes that the key went to a worker, and tells whether that is news to the rule. */
    boolean mark(int k, int worker) {
        return entries[k].at.mark(worker, row);
    }

    /** How many steps {@link #endSlide} would age by. */
    int ahead(long slide) {
        return clock.ahead(slide, slides + 2);
    }

    /**
     * Ages everything; the entries whose keys have been cold, at home alone, for a whole aggregation
     * window are freed. O(known keys x P/64).
     */
    void endSlide(long slide) {
        for (int n = clock.passed(slide, slides + 2); n > 0; n--) {
            age();
        }
    }

    private void age() {
        if (total > 0) {
            threshold = total / divisor;
        }
        sketching |= sketchFrom > 0 && counts.size() >= sketchFrom;
        total = 0;
        counts.clear();
        if (sketching) {
            sketch.clear();
        }
        row = (row + 1) % slides;
        hot = 0;
        // Published: what is known of a cold key is only given up for room.
        boolean spare = !keep || entries.length >= limit && frees == 0;
        for (int k = 0; k < entries.length; k++) {
            Entry e = entries[k];
            if (!e.live) {
                continue;
            }
            e.last = e.count;
            e.count = 0;
            e.at.endSlide(row);
            if (e.until >= clock.now()) {
                hot++;
            } else if (spare && e.at.only(e.home)) {
                index.remove(e.hash);
                e.live = false;
                free[frees++] = k;
            }
        }
    }

    /** Doubles the entries, up to the limit. */
    private void grow() {
        int from = entries.length;
        int n = Math.min(Math.max(32, from), limit - from);
        entries = Arrays.copyOf(entries, from + n);
        free = Arrays.copyOf(free, from + n);
        for (int k = from + n - 1; k >= from; k--) { // the lowest number is handed out first
            entries[k] = new Entry(new WorkerSet(workers, slides, keep));
            free[frees++] = k;
        }
    }
}

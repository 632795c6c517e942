package io.github.saspart.flink.internal;

import io.github.saspart.flink.WorkFunction;
import io.github.saspart.flink.internal.split.Slides;
import java.util.Arrays;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.typeutils.TypeSerializer;

/**
 * The keyed sliding-window state of one worker: for each key an accumulator per slide, which are
 * joined when a slide ends. Has one owner.
 *
 * @param <T> the type of records
 * @param <K> the type of keys
 * @param <ACC> the type of accumulators
 */
final class Panes<T, K, ACC> {
    private static final long MIX = 0x9e3779b97f4a7c15L;
    private static final int RECENT = 8; // a power of two

    private final AggregateFunction<T, ACC, ?> function;
    private final TypeSerializer<ACC> serializer;
    private final int slides; // in a window
    private final WorkFunction<T, ACC> work; // null: no caller wants to know
    private final int worker;

    // Open addressing: the hash's upper half << 32 | entry + 1; 0 is free.
    private long[] index = new long[128];
    private Entry<K, ACC>[] entries = newEntries(64);
    private int size;

    /** Makes an empty state. */
    Panes(AggregateFunction<T, ACC, ?> function, TypeSerializer<ACC> serializer, int slides, WorkFunction<T, ACC> work, int worker) {
        this.function = function;
        this.serializer = serializer;
        this.slides = slides;
        this.work = work;
        this.worker = worker;
    }

    /** What is known of a key. */
    static final class Entry<K, ACC> {
        final long hash;
        final K key;
        /** Records since {@link Panes#takeSplit}, if the key may be split. */
        long split;

        private Pane<ACC> newest;
        private long newestSlide; // of it
        /** Others that records came for, by the slide's last bits: sources that are not equally far take turns. */
        private Pane<ACC>[] recent;

        private Entry(long hash, K key) {
            this.hash = hash;
            this.key = key;
        }
    }

    /** The accumulator of a slide. */
    private static final class Pane<ACC> {
        final long slide;
        /** Windows that end up to this slide have had it: it comes from a worker that was further. */
        final long had;
        ACC accumulator;
        Pane<ACC> older;

        Pane(long slide, long had, ACC accumulator, Pane<ACC> older) {
            this.slide = slide;
            this.had = had;
            this.accumulator = accumulator;
            this.older = older;
        }
    }

    /** Takes what {@link #emit} makes. */
    interface Output<K, ACC> {
        /** A key's result over a window, whose accumulator is the receiver's. */
        void take(Entry<K, ACC> entry, ACC accumulator) throws Exception;
    }

    /** Takes what {@link #each} shows. */
    interface Visitor<K, ACC> {
        /** A key's accumulator of a slide; windows that end up to slide {@code had} have had it. */
        void see(K key, long hash, long slide, long had, ACC accumulator) throws Exception;
    }

    /** Adds a record to its key's accumulator of a slide. */
    Entry<K, ACC> add(K key, long hash, T value, long slide) {
        Entry<K, ACC> entry = entry(key, hash);
        Pane<ACC> pane = entry.newest != null && entry.newestSlide == slide ? entry.newest : pane(entry, slide);
        ACC before = pane.accumulator;
        ACC after = function.add(value, before);
        if (after != before) { // storing a reference is not free: garbage collectors keep account of it
            pane.accumulator = after;
        }
        return entry;
    }

    /** Puts back a pane that {@link #each} showed. */
    void restore(K key, long hash, long slide, long had, ACC accumulator) {
        Entry<K, ACC> entry = entry(key, hash);
        insert(entry, new Pane<>(slide, had, accumulator, null));
    }

    /** The number of keys with state. */
    int size() {
        return size;
    }

    /**
     * Ends a slide: hands out one accumulator per key with records in the window that ends with it,
     * and drops what no later window needs. Slides are ended in order.
     *
     * @return the earliest slide that has a pane left, {@link Slides#LAST} if there is none
     */
    long emit(long slide, Output<K, ACC> output) throws Exception {
        long first = slide - slides + 1;
        long earliest = Slides.LAST;
        int kept = 0;
        for (int i = 0; i < size; i++) {
            Entry<K, ACC> entry = entries[i];
            ACC joined = join(entry, first, slide);
            if (joined != null) {
                output.take(entry, joined);
            }
            long oldest = drop(entry, first);
            if (entry.newest != null) {
                earliest = Math.min(earliest, oldest);
                entries[kept++] = entry;
            }
        }
        if (kept < size) {
            Arrays.fill(entries, kept, size, null);
            size = kept;
            rebuild(index.length);
        }
        return earliest;
    }

    /** The accumulator over the window from {@code first} to {@code last}; null without records. */
    private ACC join(Entry<K, ACC> entry, long first, long last) {
        ACC joined = null;
        for (Pane<ACC> p = entry.newest; p != null; p = p.older) {
            if (p.slide < first || p.slide > last || p.had >= last) {
                continue;
            }
            if (work != null && slides > 1) {
                work.pane(worker, p.accumulator);
            }
            // A merge may change or keep its arguments, and later windows need the original.
            ACC own = p.slide == first ? p.accumulator : serializer.copy(p.accumulator);
            joined = joined == null ? own : function.merge(joined, own);
        }
        return joined;
    }

    /** Drops panes up to a slide, and returns the oldest that is left. */
    private static <ACC> long drop(Entry<?, ACC> entry, long through) {
        long oldest = Slides.LAST;
        Pane<ACC> last = null;
        for (int i = 0; entry.recent != null && i < RECENT; i++) {
            if (entry.recent[i] != null && entry.recent[i].slide <= through) {
                entry.recent[i] = null;
            }
        }
        for (Pane<ACC> p = entry.newest; p != null && p.slide > through; p = p.older) {
            last = p;
            oldest = p.slide;
        }
        if (last == null) {
            entry.newest = null;
        } else {
            last.older = null;
        }
        return oldest;
    }

    /** Shows every pane. */
    void each(Visitor<K, ACC> visitor) throws Exception {
        for (int i = 0; i < size; i++) {
            Entry<K, ACC> entry = entries[i];
            for (Pane<ACC> p = entry.newest; p != null; p = p.older) {
                visitor.see(entry.key, entry.hash, p.slide, p.had, p.accumulator);
            }
        }
    }

    /** The keys with the most records that may be split since the last call, as hash and count in turn. */
    long[] takeSplit(int most) {
        int n = 0;
        for (int i = 0; i < size; i++) {
            n += entries[i].split > 0 ? 1 : 0;
        }
        long[][] all = new long[n][];
        for (int i = 0; i < size; i++) {
            Entry<K, ACC> entry = entries[i];
            if (entry.split > 0) {
                all[--n] = new long[] {entry.hash, entry.split};
                entry.split = 0;
            }
        }
        if (all.length > most) {
            Arrays.sort(all, (a, b) -> Long.compare(b[1], a[1]));
        }
        return Arrays.stream(all).limit(most).flatMapToLong(Arrays::stream).toArray();
    }

    /** The pane of a slide that is not the newest; makes it if need be. */
    private Pane<ACC> pane(Entry<K, ACC> entry, long slide) {
        int at = (int) slide & RECENT - 1;
        if (entry.recent != null && entry.recent[at] != null && entry.recent[at].slide == slide) {
            return entry.recent[at];
        }
        Pane<ACC> pane = entry.newest;
        while (pane != null && pane.slide > slide) {
            pane = pane.older;
        }
        if (pane == null || pane.slide != slide) {
            pane = new Pane<>(slide, Slides.FIRST, function.createAccumulator(), null);
            insert(entry, pane);
        }
        if (pane != entry.newest) {
            if (entry.recent == null) {
                entry.recent = newRecent();
            }
            entry.recent[at] = pane;
        }
        return pane;
    }

    private static <ACC> void insert(Entry<?, ACC> entry, Pane<ACC> pane) {
        Pane<ACC> newer = null;
        Pane<ACC> older = entry.newest;
        while (older != null && older.slide > pane.slide) {
            newer = older;
            older = older.older;
        }
        pane.older = older;
        if (newer == null) {
            entry.newest = pane;
            entry.newestSlide = pane.slide;
        } else {
            newer.older = pane;
        }
    }

    private Entry<K, ACC> entry(K key, long hash) {
        int mask = index.length - 1;
        int at = home(hash);
        for (long cell = index[at]; cell != 0; cell = index[at]) {
            if (cell >>> 32 == hash >>> 32) {
                Entry<K, ACC> entry = entries[(int) cell - 1];
                if (entry.hash == hash && same(entry.key, key)) {
                    return entry;
                }
            }
            at = at + 1 & mask;
        }
        if (size == entries.length) {
            entries = Arrays.copyOf(entries, 2 * size);
            rebuild(2 * index.length);
            return entry(key, hash);
        }
        Entry<K, ACC> entry = new Entry<>(hash, key);
        entries[size++] = entry;
        index[at] = hash >>> 32 << 32 | size;
        return entry;
    }

    private static boolean same(Object a, Object b) {
        return a.equals(b) || a instanceof byte[] && Arrays.equals((byte[]) a, (byte[]) b);
    }

    /** Where the search for a hash begins: keys of one worker often agree in some bits of theirs. */
    private int home(long hash) {
        return (int) (hash * MIX >>> 33) & index.length - 1;
    }

    private void rebuild(int cells) {
        index = cells == index.length ? index : new long[cells];
        Arrays.fill(index, 0);
        for (int i = 0; i < size; i++) {
            long hash = entries[i].hash;
            int at = home(hash);
            while (index[at] != 0) {
                at = at + 1 & cells - 1;
            }
            index[at] = hash >>> 32 << 32 | i + 1;
        }
    }

    @SuppressWarnings("unchecked")
    private static <K, ACC> Entry<K, ACC>[] newEntries(int n) {
        return new Entry[n];
    }

    @SuppressWarnings("unchecked")
    private static <ACC> Pane<ACC>[] newRecent() {
        return new Pane[RECENT];
    }
}

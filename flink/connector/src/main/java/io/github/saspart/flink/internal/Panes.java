package io.github.saspart.flink.internal;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.functions.AggregateFunction;

/**
 * The panes at hand: the accumulators that a worker's latest records were added to, one per key and slide, in
 * front of the state backend. A heavy key's records meet its pane here, and the backend is asked for others only.
 * A pane makes room for another with the same cell: then, at a slide's end and at a checkpoint it goes back to
 * the backend. Has one owner; the record path allocates a pane where it brings one in.
 *
 * @param <T> the type of records
 * @param <K> the type of keys
 * @param <ACC> the type of accumulators
 */
final class Panes<T, K, ACC> {
    private static final long MIX = 0x9e3779b97f4a7c15L;
    private static final int CELLS = 1 << 13;
    private static final int SHIFT = 64 - 13;

    private final AggregateFunction<T, ACC, ?> function;
    private final Store<K, ACC> store;
    private final Pane<K, ACC>[] cells = cells();
    private final Map<Long, Long> split = new HashMap<>(); // records of keys that may be split, of panes that went back

    /** Where panes come from and go to. */
    interface Store<K, ACC> {
        /** The accumulator of a key and slide; null if there is none. It belongs to the caller until {@link #put}. */
        ACC get(K key, long hash, long slide) throws Exception;

        /** Takes an accumulator: a new one, or one that it gave. */
        void put(K key, long hash, long slide, ACC accumulator, boolean isNew) throws Exception;
    }

    /** Panes of a store, none of which is at hand. */
    Panes(AggregateFunction<T, ACC, ?> function, Store<K, ACC> store) {
        this.function = function;
        this.store = store;
    }

    private static final class Pane<K, ACC> {
        final K key;
        final long hash;
        final long slide;
        final boolean isNew; // to the store
        ACC accumulator;
        long split; // records, if the key may be split

        Pane(K key, long hash, long slide, ACC known, AggregateFunction<?, ACC, ?> function) {
            this.key = key;
            this.hash = hash;
            this.slide = slide;
            isNew = known == null;
            accumulator = isNew ? function.createAccumulator() : known;
        }
    }

    /** Adds a record to its key's accumulator of a slide. */
    void add(K key, long hash, T value, long slide, boolean mayBeSplit) throws Exception {
        int at = (int) ((hash + slide * MIX) * MIX >>> SHIFT);
        Pane<K, ACC> pane = cells[at];
        if (pane == null || pane.hash != hash || pane.slide != slide || !StateKey.same(pane.key, key)) {
            if (pane != null) {
                putBack(pane);
            }
            pane = new Pane<>(key, hash, slide, store.get(key, hash, slide), function);
            cells[at] = pane;
        }
        ACC before = pane.accumulator;
        ACC after = function.add(value, before);
        if (after != before) { // storing a reference is not free: garbage collectors keep account of it
            pane.accumulator = after;
        }
        if (mayBeSplit) {
            pane.split++;
        }
    }

    /** Gives all panes back to the store, which then has everything. */
    void flush() throws Exception {
        for (int at = 0; at < CELLS; at++) {
            Pane<K, ACC> pane = cells[at];
            if (pane != null) {
                putBack(pane);
                cells[at] = null;
            }
        }
    }

    private void putBack(Pane<K, ACC> pane) throws Exception {
        store.put(pane.key, pane.hash, pane.slide, pane.accumulator, pane.isNew);
        count(pane);
    }

    private void count(Pane<K, ACC> pane) {
        if (pane.split > 0) {
            split.merge(pane.hash, pane.split, Long::sum);
            pane.split = 0;
        }
    }

    /** The keys with the most records that may be split since the last call, as hash and count in turn. */
    long[] takeSplit(int most) {
        for (Pane<K, ACC> pane : cells) {
            if (pane != null) {
                count(pane);
            }
        }
        long[][] all = new long[split.size()][];
        int n = 0;
        for (Map.Entry<Long, Long> e : split.entrySet()) {
            all[n++] = new long[] {e.getKey(), e.getValue()};
        }
        split.clear();
        if (all.length > most) {
            Arrays.sort(all, (a, b) -> Long.compare(b[1], a[1]));
        }
        return Arrays.stream(all).limit(most).flatMapToLong(Arrays::stream).toArray();
    }

    @SuppressWarnings("unchecked")
    private static <K, ACC> Pane<K, ACC>[] cells() {
        return new Pane[CELLS];
    }
}

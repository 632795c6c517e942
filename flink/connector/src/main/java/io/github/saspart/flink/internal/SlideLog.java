package io.github.saspart.flink.internal;

import java.util.List;

/**
 * What one partitioner subtask sent in one slide, as far as it matters to who may finish a key alone:
 * every key of which a record did not go where the map says, or may not, is in {@link #split} or has
 * a slot in {@link #moves}; or {@link #all} is set.
 */
final class SlideLog {
    /** Keys that are told one by one; of more, all are merged. */
    static final int MOST_SPLIT = 4096;

    final long slide;
    /** The map in force when the slide began. */
    final RouteMap map;
    /** Keys moved by maps that came in force in this slide or in the window that ends with it. */
    final List<Moves> moves;

    private final LongSet split = new LongSet(MOST_SPLIT);
    private boolean all;

    SlideLog(long slide, RouteMap map, List<Moves> moves) {
        this.slide = slide;
        this.map = map;
        this.moves = moves;
        for (Moves m : moves) {
            all |= m == Moves.ALL;
            for (long key : m.keys()) {
                mark(key);
            }
        }
    }

    /** Notes that the key may have been at several workers. */
    void mark(long hash) {
        if (all) {
            return;
        }
        for (int i = 0; i < moves.size(); i++) {
            if (moves.get(i).hasSlot(hash)) {
                return;
            }
        }
        all = !split.add(hash);
    }

    /** Whether any key may have been at several workers. */
    boolean all() {
        return all;
    }

    /** The keys that may have been, beside those of moved slots. */
    LongSet split() {
        return split;
    }
}

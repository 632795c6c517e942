package io.github.saspart.flink.internal.split;

/**
 * What one partitioner subtask sent in one slide, as far as it decides whether a worker may finish a key
 * alone. A record may go elsewhere than the maps say. Its key is then in {@link #split}, or was moved by
 * a change whose windows contain the slide, or {@link #all} is set.
 */
public final class SlideLog {
    /** The most keys that are named; with more, all keys are merged. */
    static final int MOST_SPLIT = 4096;

    final long slide;

    private final Spread moved; // by changes
    private final LongSet split = new LongSet(MOST_SPLIT);
    private boolean all;

    SlideLog(long slide, Spread moved) {
        this.slide = slide;
        this.moved = moved;
    }

    /** Notes that the key may have been at several workers. */
    public void mark(long hash) {
        all = all || !moved.mergesUnnamed(hash, slide) && !split.add(hash);
    }

    /** Notes that every key may have been. */
    void markAll() {
        all = true;
    }

    /** Whether any key may have been at several workers. */
    boolean all() {
        return all;
    }

    /** The keys that may have been, beside those that were moved. */
    LongSet split() {
        return split;
    }
}

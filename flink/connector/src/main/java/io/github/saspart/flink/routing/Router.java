package io.github.saspart.flink.routing;

/**
 * Routes the records of one partitioner subtask. It is owned by one thread, and neither drops nor
 * adds records. Some routers are a {@link Follower}, {@link Learner}, {@link Sharer} or {@link
 * Unattended} as well; all of their calls come between two records, from the same thread.
 */
public interface Router {
    /**
     * Marks a destination whose key this router may send to more than one worker within one
     * aggregation window. A router that leaves it off costs a late merge when the key turns up
     * twice, never a wrong result.
     */
    int MERGE = 1 << 31;

    /**
     * Routes a record of the current slide, and allocates nothing.
     *
     * @param hash the key's {@link Hashing#hash}
     * @param key holds the key's bytes, for readable names; they are copied if kept
     * @param offset of the key in {@code key}
     * @param length of the key in bytes
     * @return the worker's index, with {@link #MERGE} set or not
     */
    int route(long hash, byte[] key, int offset, int length);

    /**
     * Called when the subtask's event time has passed the end of a slide; the next record belongs to
     * a later one. Slides without records may be left out.
     *
     * @param slide the slide's number, not below 0
     */
    void endSlide(long slide);

    /** The worker's index in a destination. */
    static int worker(int destination) {
        return destination & ~MERGE;
    }

    /** Whether the partial results of a destination's key have to pass a reducer. */
    static boolean merged(int destination) {
        return destination < 0;
    }
}

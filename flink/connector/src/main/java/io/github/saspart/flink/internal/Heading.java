package io.github.saspart.flink.internal;

/**
 * Where the record at hand goes: a partitioner writes it right before it puts the record out, and the
 * edge behind it reads it, so that nothing has to travel with the record.
 *
 * <p>Flink makes a partitioner and its edge from bytes, each by itself. They meet at the first record:
 * the edge asks for it within the partitioner's call, on the same thread, whichever that is. From then
 * on both hold the same heading.
 */
final class Heading {
    private static final ThreadLocal<Heading> OFFERED = new ThreadLocal<>();

    /** The worker. */
    int worker;

    private boolean taken;

    Heading(int worker) {
        this.worker = worker;
    }

    /** The heading of the partitioner that puts its first record out on this thread; null if none does. */
    static Heading take() {
        Heading offered = OFFERED.get();
        if (offered != null) {
            offered.taken = true;
        }
        return offered;
    }

    /** Puts the first record out, to an edge that takes this heading then. */
    void offer(Runnable output) {
        OFFERED.set(this);
        try {
            output.run();
        } finally {
            OFFERED.remove();
        }
        if (!taken) {
            throw new IllegalStateException("a record was put out past the edge that sends it to its worker");
        }
    }
}

package io.github.saspart.flink.client;

/**
 * Determines whether the server still decides. It does not if its last answer is too old. The time is
 * passed in. Windows that are answered too late do not count as answered.
 */
final class Freshness {
    private final long staleAfter; // ms
    private final long window; // length of a metric window, ms

    private boolean began;
    private long last; // when the server last answered, or the first report was made, ms
    private long newest; // number of the latest window reported on
    private boolean stale;

    Freshness(long staleAfterMillis, long windowMillis) {
        staleAfter = staleAfterMillis;
        window = windowMillis;
    }

    /** A window is reported on; true if it shows that the server does not decide any more. */
    boolean reported(long now, long number) {
        if (!began) {
            began = true;
            last = now;
            newest = number;
        }
        newest = Math.max(newest, number);
        if (stale || now - last < staleAfter) {
            return false;
        }
        stale = true;
        return true;
    }

    /** Whether an answer to the window is fresh; one that is ends what {@link #reported} began. */
    boolean answered(long now, long number) {
        long behind = Math.max(0, newest - number);
        if (began && behind > staleAfter / window) {
            return false;
        }
        last = now;
        stale = false;
        return true;
    }

    /** Whether the server does not decide. */
    boolean stale() {
        return stale;
    }
}

package io.github.saspart.flink.internal.split;

/** Numbers slides: slide s is from s times its length to before the next, in ms since the epoch. */
public final class Slides {
    /** Before every slide, with room below. */
    public static final long FIRST = -(1L << 60);
    /** After every slide, with room above. */
    public static final long LAST = 1L << 60;

    private Slides() {}

    /** The slide that a time is in. */
    public static long of(long millis, long length) {
        return Math.min(Math.max(Math.floorDiv(millis, length), FIRST + 1), LAST - 1);
    }

    /** The last slide that has ended when a watermark has been reached: no record up to it is to come. */
    public static long ended(long watermark, long length) {
        return watermark == Long.MAX_VALUE ? LAST : of(watermark + 1, length) - 1;
    }
}
